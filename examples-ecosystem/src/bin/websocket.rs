//! tokio-tungstenite: a chat room, where every word goes to everybody, and how a connection begins, holds back and ends.

use ecosystem::{Outcome, proof, soon};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, broadcast};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{
    WebSocketStream, accept_async, accept_async_with_config, accept_hdr_async, client_async,
    connect_async,
};

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

    a_ping_is_answered().await?;
    much_comes_back_whole().await?;
    a_slow_reader_holds_the_writer_back().await?;
    both_learn_why_it_ends().await?;
    one_that_goes_without_a_word_is_noticed().await?;
    the_server_may_refuse().await?;
    both_agree_on_a_protocol().await?;
    parts_become_one_message().await?;
    a_text_that_is_none_ends_the_connection().await?;
    one_that_speaks_no_websocket_is_named().await?;
    who_waits_often_and_briefly_misses_nothing().await?;
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

/// Both ends of a connection, over a pipe that holds little.
async fn pair() -> Outcome<(WebSocketStream<DuplexStream>, WebSocketStream<DuplexStream>)> {
    let (near, far) = tokio::io::duplex(1024);
    let both = tokio::try_join!(accept_async(far), client_async("ws://pipe/", near));
    let (server, (client, _)) = both?;
    Ok((client, server))
}

async fn a_ping_is_answered() -> Outcome {
    let (mut client, mut server) = pair().await?;
    tokio::spawn(async move { while let Some(Ok(_)) = server.next().await {} });
    client.send(Message::Ping("are you there?".into())).await?;
    let answer = soon("the answer", client.next()).await.ok_or("ended")??;
    assert_eq!(answer, Message::Pong("are you there?".into()));
    println!("websocket: a ping is answered by who only listens");
    Ok(())
}

async fn much_comes_back_whole() -> Outcome {
    let (client, server) = pair().await?;
    let (mouth, ear) = server.split();
    tokio::spawn(ear.forward(mouth));
    let (mut mouth, mut ear) = client.split();
    let much: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let sent = Message::binary(much.clone());
    let talking = tokio::spawn(async move { mouth.send(sent).await.map(|()| mouth) });
    let got = soon("the echo", ear.next()).await.ok_or("ended")??;
    assert!(got.into_data() == much, "1 MiB came back otherwise");
    drop(talking.await??);
    println!("websocket: 1 MiB there and back through a pipe of 1 KiB");
    Ok(())
}

async fn a_slow_reader_holds_the_writer_back() -> Outcome {
    let (mut client, mut server) = pair().await?;
    let (sent, mut counted) = tokio::sync::watch::channel(0_usize);
    let talking = tokio::spawn(async move {
        for number in 0..1_000 {
            server.send(Message::binary(vec![0; 1_000])).await?;
            sent.send_replace(number + 1);
        }
        server.close(None).await
    });
    // Nobody reads: the writer gets no further than the pipe.
    soon("the first", counted.wait_for(|count| *count > 0)).await?;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let ahead = *counted.borrow();
    assert!(ahead < 10, "{ahead} messages went into a pipe of one");
    let mut heard = 0;
    while let Message::Binary(_) = soon("a message", client.next()).await.ok_or("ended")?? {
        heard += 1;
    }
    assert_eq!(heard, 1_000);
    soon("the end", talking).await??;
    println!("websocket: a slow reader holds the writer back, and hears everything");
    Ok(())
}

async fn both_learn_why_it_ends() -> Outcome {
    let (mut client, mut server) = pair().await?;
    let reason = CloseFrame {
        code: CloseCode::Away,
        reason: "the fair is over".into(),
    };
    let leaving = client.close(Some(reason.clone()));
    let (left, told) = tokio::join!(leaving, soon("the end", server.next()));
    left?;
    assert_eq!(
        told.ok_or("no word")??,
        Message::Close(Some(reason.clone()))
    );
    let answer = async {
        // The answer is sent with the next look.
        let end = server.next().await;
        assert!(end.is_none(), "{end:?}");
    };
    let ((), heard) = tokio::join!(answer, soon("the answer", client.next()));
    assert_eq!(heard.ok_or("no word")??, Message::Close(Some(reason)));
    let late = client.send(Message::text("late")).await.unwrap_err();
    assert!(
        matches!(
            late,
            Error::AlreadyClosed
                | Error::ConnectionClosed
                | Error::Protocol(ProtocolError::SendAfterClosing)
        ),
        "{late:?}"
    );
    println!("websocket: both learn why it ends, and who speaks afterwards is told");
    Ok(())
}

async fn one_that_goes_without_a_word_is_noticed() -> Outcome {
    let (client, mut server) = pair().await?;
    drop(client);
    let end = soon("the end", server.next()).await;
    let reset = matches!(
        end,
        Some(Err(Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
        )))
    );
    assert!(reset, "{end:?}");
    println!("websocket: one that goes without a word is noticed");
    Ok(())
}

/// By what the client says in its headers.
async fn the_server_may_refuse() -> Outcome {
    for (word, welcome) in [("friend", true), ("foe", false)] {
        let (near, far) = tokio::io::duplex(1024);
        let mut request = "ws://pipe/".into_client_request()?;
        request.headers_mut().insert("word", word.parse()?);
        #[expect(clippy::result_large_err, reason = "the signature is the crate's")]
        let gate = |request: &Request, response: Response| {
            if request.headers()["word"] == "friend" {
                return Ok(response);
            }
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            Err(refusal)
        };
        let both = tokio::join!(accept_hdr_async(far, gate), client_async(request, near));
        match both {
            (Ok(_), Ok(_)) => assert!(welcome),
            (Err(_), Err(Error::Http(answer))) => {
                assert!(!welcome);
                assert_eq!(answer.status(), StatusCode::FORBIDDEN);
            }
            (_, client) => return Err(format!("{word}: {:?}", client.err()).into()),
        }
    }
    println!("websocket: a server lets in by a header, and refuses with a status");
    Ok(())
}

async fn both_agree_on_a_protocol() -> Outcome {
    const PROTOCOL: &str = "sec-websocket-protocol";
    for (chosen, offered) in [("longbow", true), ("musket", false)] {
        let (near, far) = tokio::io::duplex(1024);
        let mut request = "ws://pipe/".into_client_request()?;
        request
            .headers_mut()
            .insert(PROTOCOL, "staff, longbow".parse()?);
        #[expect(clippy::result_large_err, reason = "the signature is the crate's")]
        let choose = |_: &Request, mut response: Response| {
            response
                .headers_mut()
                .insert(PROTOCOL, HeaderValue::from_static(chosen));
            Ok(response)
        };
        let both = tokio::join!(accept_hdr_async(far, choose), client_async(request, near));
        match both.1 {
            Ok((_, answer)) => {
                assert!(offered);
                assert_eq!(answer.headers()[PROTOCOL], chosen);
            }
            Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(error))) => {
                assert!(!offered && error == SubProtocolError::InvalidSubProtocol);
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!("websocket: a protocol is agreed on, and one that was not offered is refused");
    Ok(())
}

/// With a ping between the parts, which comes at once.
async fn parts_become_one_message() -> Outcome {
    let (mut client, mut server) = pair().await?;
    let part = |text, kind, last| Message::Frame(Frame::message(text, OpCode::Data(kind), last));
    client.send(part("Rob", Data::Text, false)).await?;
    client.send(Message::Ping("are you there?".into())).await?;
    client.send(part("in", Data::Continue, true)).await?;
    for expected in [
        Message::Ping("are you there?".into()),
        Message::text("Robin"),
    ] {
        let got = soon("a message", server.next()).await.ok_or("ended")??;
        assert_eq!(got, expected);
    }
    println!("websocket: parts become one message, and a ping comes between them");
    Ok(())
}

async fn a_text_that_is_none_ends_the_connection() -> Outcome {
    let (mut client, mut server) = pair().await?;
    let bytes = Frame::message(&b"\xff"[..], OpCode::Data(Data::Text), true);
    client.send(Message::Frame(bytes)).await?;
    let error = soon("the refusal", server.next()).await;
    assert!(matches!(error, Some(Err(Error::Utf8(_)))), "{error:?}");
    println!("websocket: bytes that are no text are refused as one");
    Ok(())
}

async fn one_that_speaks_no_websocket_is_named() -> Outcome {
    let (near, far) = tokio::io::duplex(1024);
    let answer = async move {
        let mut far = BufReader::new(far);
        let mut line = String::new();
        while far.read_line(&mut line).await? > 2 {
            line.clear();
        }
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
    };
    let (client, answered) = tokio::join!(client_async("ws://pipe/", near), answer);
    answered?;
    let Err(Error::Http(answer)) = client else {
        return Err(format!("{client:?}").into());
    };
    assert_eq!(answer.status(), StatusCode::OK);
    println!("websocket: a server that only speaks HTTP is told from one that refuses");
    Ok(())
}

/// Each wait is given up at once, in the middle of a message or not.
async fn who_waits_often_and_briefly_misses_nothing() -> Outcome {
    let (mut client, mut server) = pair().await?;
    let talking = tokio::spawn(async move {
        for number in 0..200_u32 {
            let long = number.to_be_bytes().repeat(1_000);
            server.send(Message::binary(long)).await?;
        }
        server.close(None).await
    });
    let mut heard = 0_u32;
    let mut given_up = 0;
    let end = soon("the end", async {
        loop {
            match futures_util::future::poll_immediate(client.next()).await {
                None => {
                    given_up += 1;
                    tokio::task::yield_now().await;
                }
                Some(Some(Ok(Message::Binary(long)))) => {
                    assert!(long[..] == heard.to_be_bytes().repeat(1_000));
                    heard += 1;
                }
                Some(end) => break end,
            }
        }
    });
    let end = end.await;
    assert!(matches!(end, Some(Ok(Message::Close(None)))), "{end:?}");
    assert_eq!(heard, 200);
    assert!(given_up > 0, "each message was there at once");
    // The close is answered with the next look.
    let _ = soon("the answer", client.next()).await;
    soon("the end of the talk", talking).await??;
    println!("websocket: 200 messages in parts, through waits that are given up at once");
    Ok(())
}
