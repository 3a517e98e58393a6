//! A chat room over tokio-tungstenite: one server, many clients, every word to everybody.

use ecosystem::{Outcome, proof, soon};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, broadcast};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{accept_async_with_config, connect_async};

const GUESTS: usize = 8;
const WORDS: usize = 16;

#[tokio::main]
async fn main() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    let (room, _) = broadcast::channel(GUESTS * WORDS);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(seat(stream, room.clone()));
        }
    });

    let all_here = std::sync::Arc::new(Barrier::new(GUESTS));
    let mut guests = tokio::task::JoinSet::new();
    for number in 0..GUESTS {
        guests.spawn(guest(url.clone(), number, all_here.clone()));
    }
    while let Some(guest) = soon("the end of the talk", guests.join_next()).await {
        guest??;
    }
    println!(
        "websocket: {GUESTS} guests heard all {} words",
        GUESTS * WORDS
    );

    let (mut socket, _) = connect_async(&url).await?;
    assert!(
        soon("the greeting", socket.next())
            .await
            .is_some_and(|message| message.is_ok())
    );
    socket.send(Message::binary(vec![0; 4096])).await?;
    let end = soon("the end", socket.next()).await;
    let closed = matches!(&end, None | Some(Err(_)) | Some(Ok(Message::Close(_))));
    assert!(
        closed,
        "a message that is too long ends the connection, not {end:?}"
    );
    println!("websocket: a message that is too long ends its connection");

    proof();
    Ok(())
}

/// One guest's place at the server.
async fn seat(stream: TcpStream, room: broadcast::Sender<String>) -> Result<(), Error> {
    let config = WebSocketConfig::default().max_message_size(Some(1024));
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    let mut heard = room.subscribe();
    // From here on this guest misses nothing, and learns so.
    socket.send(Message::Ping("seated".into())).await?;
    loop {
        tokio::select! {
            word = heard.recv() => match word {
                Ok(word) => socket.send(Message::text(word)).await?,
                Err(_) => return Ok(()),
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(word))) => drop(room.send(word.to_string())),
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            },
        }
    }
}

async fn guest(url: String, number: usize, all_here: std::sync::Arc<Barrier>) -> Outcome {
    let (socket, _) = connect_async(&url).await?;
    let (mut mouth, mut ear) = socket.split();
    let greeting = ear.next().await.ok_or("it closed")??;
    assert_eq!(greeting, Message::Ping("seated".into()));
    all_here.wait().await;
    let talking = tokio::spawn(async move {
        for word in 0..WORDS {
            mouth
                .send(Message::text(format!("{number}:{word}")))
                .await?;
        }
        Ok::<_, Error>(mouth)
    });
    let mut next = [0; GUESTS];
    for _ in 0..GUESTS * WORDS {
        let text = ear.next().await.ok_or("it closed")??.into_text()?;
        let (who, word) = text.split_once(':').ok_or("no such word was said")?;
        let (who, word) = (who.parse::<usize>()?, word.parse::<usize>()?);
        assert_eq!(word, next[who], "the words of {who} come in order");
        next[who] += 1;
    }
    talking.await??.close().await?;
    Ok(())
}
