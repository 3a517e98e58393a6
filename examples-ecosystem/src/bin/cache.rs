//! redis: a multiplexed connection under load, transactions, scans, messages, waiting, limits of time, and a reconnect.

use std::time::Duration;

use ecosystem::{Outcome, proof, servers, soon};
use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncCommands, AsyncConnectionConfig, Client, RedisError};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Outcome {
    let Some(server) = servers::redis().await? else {
        return Ok(());
    };
    let client = Client::open(format!("redis://127.0.0.1:{}/", server.port))?;
    let connection = connect(&client).await?;
    many_at_once(connection.clone()).await?;
    a_scan_sees_every_key(connection.clone()).await?;
    all_or_nothing(connection.clone()).await?;
    much_at_once(connection.clone()).await?;
    who_gives_up_disturbs_nobody(connection.clone()).await?;
    messages(&client, connection.clone()).await?;
    a_waiter_is_served(&client, connection.clone()).await?;
    a_limit_of_time_ends_the_wait(&client).await?;
    a_key_ends(connection).await?;
    a_connection_that_broke_is_replaced(&client).await?;
    nobody_is_there().await?;
    proof();
    Ok(())
}

/// Without the client's own limits, which a busy machine would reach.
async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    soon("a connection", connection).await
}

async fn many_at_once(connection: MultiplexedConnection) -> Outcome {
    let mut tasks = JoinSet::new();
    for number in 0..1_000_i64 {
        let mut connection = connection.clone();
        tasks.spawn(async move {
            let key = format!("key{number}");
            let () = connection.set(&key, number).await?;
            let _: i64 = connection.incr("sum", number).await?;
            let got: i64 = connection.get(&key).await?;
            Ok::<_, RedisError>((number, got))
        });
    }
    while let Some(task) = soon("an answer", tasks.join_next()).await {
        let (number, got) = task??;
        assert_eq!(number, got);
    }
    let sum: i64 = connection.clone().get("sum").await?;
    assert_eq!(sum, 499_500);
    println!("redis: 3,000 commands of 1,000 tasks on one connection");
    Ok(())
}

async fn a_scan_sees_every_key(mut connection: MultiplexedConnection) -> Outcome {
    let mut keys = connection.scan_match::<_, String>("key*").await?;
    let mut seen = std::collections::BTreeSet::new();
    while let Some(key) = soon("a key", keys.next()).await {
        seen.insert(key?);
    }
    assert_eq!(seen.len(), 1_000);
    println!("redis: a scan as a stream sees all 1,000 keys");
    Ok(())
}

async fn all_or_nothing(mut connection: MultiplexedConnection) -> Outcome {
    let mut pipe = redis::pipe();
    pipe.atomic().set("a", 1).ignore().incr("a", 41).get("a");
    let (after, got): (i64, i64) = soon("the answers", pipe.query_async(&mut connection)).await?;
    assert_eq!((after, got), (42, 42));
    let wrong: Result<i64, _> = soon("an error", connection.lpop("a", None)).await;
    assert_eq!(wrong.unwrap_err().code(), Some("WRONGTYPE"));
    println!("redis: a transaction in a pipeline, and the server's error by its name");
    Ok(())
}

/// More than the socket's buffers hold, both ways.
async fn much_at_once(mut connection: MultiplexedConnection) -> Outcome {
    let much: Vec<u8> = (0..16 << 20).map(|at: u32| (at % 251) as u8).collect();
    let () = soon("the writing", connection.set("much", &much[..])).await?;
    let got: Vec<u8> = soon("the reading", connection.get("much")).await?;
    assert!(got == much, "16 MiB came back otherwise");
    println!("redis: 16 MiB there and back");
    Ok(())
}

async fn who_gives_up_disturbs_nobody(connection: MultiplexedConnection) -> Outcome {
    let get = |number: i64| {
        let mut connection = connection.clone();
        async move { connection.get::<_, i64>(format!("key{number}")).await }
    };
    let mut tasks = JoinSet::new();
    for number in 0..500 {
        let (stays, leaves) = (get(number), tokio::spawn(get(500 + number)));
        tasks.spawn(async move {
            leaves.abort();
            Ok::<_, RedisError>((number, stays.await?))
        });
    }
    while let Some(task) = soon("an answer", tasks.join_next()).await {
        let (number, got) = task??;
        assert_eq!(number, got, "everybody gets the answer to the own question");
    }
    println!("redis: of 1,000 who ask 500 give up, and the others get their own answers");
    Ok(())
}

async fn messages(client: &Client, mut connection: MultiplexedConnection) -> Outcome {
    let mut listener = soon("a connection", client.get_async_pubsub()).await?;
    soon("the subscription", listener.subscribe("news")).await?;
    for number in 0..100 {
        let heard: i64 = connection.publish("news", number).await?;
        assert_eq!(heard, 1);
    }
    let mut news = listener.on_message();
    for number in 0..100 {
        let message = soon("news", news.next()).await.ok_or("ended")?;
        assert_eq!(message.get_payload::<i64>()?, number);
    }
    drop(news);
    soon("the end of it", listener.unsubscribe("news")).await?;
    let heard: i64 = connection.publish("news", "nobody hears this").await?;
    assert_eq!(heard, 0);
    println!("redis: 100 messages, in order, and none after the subscription");
    Ok(())
}

/// A command that blocks in the server has a connection of its own, and is served by another.
async fn a_waiter_is_served(client: &Client, mut connection: MultiplexedConnection) -> Outcome {
    let mut own = connect(client).await?;
    let waiter = tokio::spawn(async move { own.blpop::<_, (String, String)>("queue", 0.0).await });
    let _: i64 = connection.rpush("queue", "arrow").await?;
    assert_eq!(
        soon("the arrow", waiter).await??,
        ("queue".into(), "arrow".into())
    );
    println!("redis: who waits in the server is served");
    Ok(())
}

async fn a_limit_of_time_ends_the_wait(client: &Client) -> Outcome {
    let mut own = connect(client).await?;
    own.set_response_timeout(Duration::from_millis(50));
    // For ever, as far as the server is concerned.
    let wait = own.blpop::<_, Option<(String, String)>>("nothing", 0.0);
    let error = soon("the limit", wait).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    println!("redis: a limit of time ends a wait in the server");
    Ok(())
}

async fn a_key_ends(mut connection: MultiplexedConnection) -> Outcome {
    let () = connection.pset_ex("short", "life", 30).await?;
    soon("the end of the key", async {
        while connection
            .get::<_, Option<String>>("short")
            .await?
            .is_some()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok::<_, RedisError>(())
    })
    .await?;
    println!("redis: a key ends when its time has come");
    Ok(())
}

async fn a_connection_that_broke_is_replaced(client: &Client) -> Outcome {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let managed = ConnectionManager::new_with_config(client.clone(), config);
    let mut managed = soon("a connection", managed).await?;
    let ask = redis::cmd("CLIENT").arg("ID").to_owned();
    let id: i64 = ask.query_async(&mut managed).await?;
    let mut other = connect(client).await?;
    let mut kill = redis::cmd("CLIENT");
    let killed: i64 = kill
        .arg("KILL")
        .arg("ID")
        .arg(id)
        .query_async(&mut other)
        .await?;
    assert_eq!(killed, 1);
    // The first command may meet the broken connection; from then on there is a new one.
    let new = soon("a new connection", async {
        loop {
            if let Ok(id) = ask.query_async::<i64>(&mut managed).await {
                break id;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_ne!(new.await, id);
    println!("redis: a connection that the server broke is replaced");
    Ok(())
}

async fn nobody_is_there() -> Outcome {
    // Bound and not listening: nobody else gets it, and nobody answers.
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let client = Client::open(format!("redis://{}/", socket.local_addr()?))?;
    let error = connect(&client).await.err().ok_or("somebody answered")?;
    assert!(error.is_connection_refusal(), "{error:?}");
    println!("redis: a server that is not there is named a refusal");
    Ok(())
}
