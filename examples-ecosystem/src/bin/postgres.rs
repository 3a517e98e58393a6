//! tokio-postgres: pipelined queries, transactions, copies in and out, notifications, locks, a query that is cancelled, and
//! connections that end.

use std::time::Duration;

use bytes::Bytes;
use ecosystem::{Outcome, proof, servers, soon};
use futures_util::{SinkExt, StreamExt, TryStreamExt, future, pin_mut, stream};
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, NoTls, Notification};

#[tokio::main]
async fn main() -> Outcome {
    let Some(server) = servers::postgres().await? else {
        return Ok(());
    };
    let (mut client, mut news) = connect(server.port).await?;
    soon(
        "the table",
        client.batch_execute("CREATE TABLE band (id INT PRIMARY KEY, name TEXT NOT NULL)"),
    )
    .await?;
    pipelined(&client).await?;
    a_transaction_is_all_or_nothing(&mut client).await?;
    copied_in_and_out(&client).await?;
    notified(&client, &mut news).await?;
    who_gives_up_disturbs_nobody(&client).await?;
    who_stops_reading_disturbs_nobody(&client).await?;
    a_query_is_cancelled(&client, server.port).await?;
    the_server_keeps_a_limit_of_time(&client).await?;
    a_lock_is_waited_for(&mut client, server.port).await?;
    a_connection_that_the_server_ends_is_told(server.port).await?;
    no_such_database(server.port).await?;
    drop(client);
    assert!(soon("the connection's end", news.recv()).await.is_none());
    println!("postgres: the connection ends with its last client");
    proof();
    Ok(())
}

/// A client, and what the server says unasked. A server that has just been started may not be ready to serve.
async fn connect(port: u16) -> Outcome<(Client, mpsc::UnboundedReceiver<Notification>)> {
    let config = format!("host=127.0.0.1 port={port} user=postgres");
    let (client, mut connection) = loop {
        match soon("a connection", tokio_postgres::connect(&config, NoTls)).await {
            Ok(both) => break both,
            Err(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    let (sender, news) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(news) = message {
                let _ = sender.send(news);
            }
        }
    });
    Ok((client, news))
}

async fn pipelined(client: &Client) -> Outcome {
    let insert = client.prepare("INSERT INTO band VALUES ($1, $2)").await?;
    let inserts = (0..500_i32).map(|id| {
        let insert = &insert;
        async move { client.execute(insert, &[&id, &format!("name {id}")]).await }
    });
    // They are all sent before the first is answered.
    let counts = soon("all of them", future::try_join_all(inserts)).await?;
    assert_eq!(counts.iter().sum::<u64>(), 500);
    let rows = client
        .query_raw(
            "SELECT id, name FROM band ORDER BY id",
            std::iter::empty::<i32>(),
        )
        .await?;
    pin_mut!(rows);
    let mut next = 0;
    while let Some(row) = soon("a row", rows.try_next()).await? {
        assert_eq!(
            (row.get::<_, i32>(0), row.get::<_, String>(1)),
            (next, format!("name {next}"))
        );
        next += 1;
    }
    assert_eq!(next, 500);
    println!("postgres: 500 queries in a pipeline, 500 rows as a stream");
    Ok(())
}

async fn count(client: &Client) -> Outcome<i64> {
    Ok(client
        .query_one("SELECT count(*) FROM band", &[])
        .await?
        .get(0))
}

async fn a_transaction_is_all_or_nothing(client: &mut Client) -> Outcome {
    let transaction = client.transaction().await?;
    transaction
        .execute("INSERT INTO band VALUES (1000, 'much')", &[])
        .await?;
    let error = transaction
        .execute("INSERT INTO band VALUES (1000, 'again')", &[])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION));
    drop(transaction);
    assert_eq!(count(client).await?, 500, "dropped is undone");
    let transaction = client.transaction().await?;
    transaction
        .execute("INSERT INTO band VALUES (1000, 'much')", &[])
        .await?;
    transaction.commit().await?;
    assert_eq!(count(client).await?, 501);
    println!("postgres: a transaction that is dropped leaves nothing");
    Ok(())
}

async fn copied_in_and_out(client: &Client) -> Outcome {
    let sink = client.copy_in("COPY band FROM STDIN").await?;
    pin_mut!(sink);
    let mut lines =
        stream::iter((2_000..12_000).map(|id| Ok(Bytes::from(format!("{id}\tcopied\n")))));
    soon("the lines", sink.send_all(&mut lines)).await?;
    assert_eq!(soon("the count", sink.finish()).await?, 10_000);
    assert_eq!(count(client).await?, 10_501);
    let out = "COPY (SELECT id FROM band WHERE id >= 2000 ORDER BY id) TO STDOUT";
    let bytes = soon("the copy", client.copy_out(out)).await?;
    pin_mut!(bytes);
    let mut copy = Vec::new();
    while let Some(part) = soon("a part", bytes.try_next()).await? {
        copy.extend_from_slice(&part);
    }
    let lines = String::from_utf8(copy)?;
    let ids: Result<Vec<i32>, _> = lines.lines().map(str::parse).collect();
    assert_eq!(ids?, (2_000..12_000).collect::<Vec<_>>());
    println!("postgres: 10,000 rows copied in, and out again");
    Ok(())
}

async fn notified(client: &Client, news: &mut mpsc::UnboundedReceiver<Notification>) -> Outcome {
    client.batch_execute("LISTEN horn").await?;
    for number in 0..20 {
        client
            .batch_execute(&format!("NOTIFY horn, '{number}'"))
            .await?;
    }
    for number in 0..20 {
        let notice = soon("a notification", news.recv()).await.ok_or("ended")?;
        assert_eq!(
            (notice.channel(), notice.payload()),
            ("horn", number.to_string().as_str())
        );
    }
    println!("postgres: 20 notifications, in order");
    Ok(())
}

/// A query that is asked and not awaited is answered all the same, and its answer goes to nobody else.
async fn who_gives_up_disturbs_nobody(client: &Client) -> Outcome {
    let echo = client.prepare("SELECT $1::INT").await?;
    for number in 0..100_i32 {
        let mut leaves = Box::pin(client.query_one(&echo, &[&-1_i32]));
        // One look sends it.
        let _ = future::poll_immediate(&mut leaves).await;
        drop(leaves);
        let row = soon("an answer", client.query_one(&echo, &[&number])).await?;
        assert_eq!(row.get::<_, i32>(0), number);
    }
    println!("postgres: of 200 queries 100 are given up, and the others get their own answers");
    Ok(())
}

async fn a_query_is_cancelled(client: &Client, port: u16) -> Outcome {
    let (watcher, _) = connect(port).await?;
    let sleep = client.batch_execute("SELECT pg_sleep(3600)");
    let cancel = async {
        // A token cancels whatever runs, so it is used once, when the query is seen to sleep.
        let asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while watcher.query_opt(asleep, &[]).await?.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        client.cancel_token().cancel_query(NoTls).await
    };
    let (slept, cancelled) = soon("the cancellation", future::join(sleep, cancel)).await;
    cancelled?;
    let error = slept.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(count(client).await?, 10_501, "it is as good as before");
    println!("postgres: a query that sleeps for an hour is cancelled");
    Ok(())
}

async fn no_such_database(port: u16) -> Outcome {
    let config = format!("host=127.0.0.1 port={port} user=postgres dbname=nowhere");
    let refused = soon("the refusal", tokio_postgres::connect(&config, NoTls)).await;
    let error = refused.err().ok_or("there is such a database")?;
    assert_eq!(error.code(), Some(&SqlState::INVALID_CATALOG_NAME));
    println!("postgres: a database that is not there is named");
    Ok(())
}

async fn who_stops_reading_disturbs_nobody(client: &Client) -> Outcome {
    let many = "SELECT generate_series(1, 10000)";
    for _ in 0..20 {
        let rows = client.query_raw(many, std::iter::empty::<i32>()).await?;
        pin_mut!(rows);
        let first = soon("a row", rows.try_next()).await?.ok_or("no row")?;
        assert_eq!(first.get::<_, i32>(0), 1);
    }
    let after = soon("an answer", client.query_one("SELECT 7", &[])).await?;
    assert_eq!(after.get::<_, i32>(0), 7);
    println!(
        "postgres: 20 streams of 10,000 rows are dropped after one, and the next query is answered"
    );
    Ok(())
}

async fn the_server_keeps_a_limit_of_time(client: &Client) -> Outcome {
    client.batch_execute("SET statement_timeout = 20").await?;
    let slow = client.batch_execute("SELECT pg_sleep(3600)");
    let error = soon("the limit", slow).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    client.batch_execute("RESET statement_timeout").await?;
    println!("postgres: the server's limit of time ends a query, not the connection");
    Ok(())
}

async fn a_lock_is_waited_for(client: &mut Client, port: u16) -> Outcome {
    let (other, _) = connect(port).await?;
    let (watcher, _) = connect(port).await?;
    let first = client.transaction().await?;
    let update = "UPDATE band SET name = 'first' WHERE id = 1";
    assert_eq!(first.execute(update, &[]).await?, 1);
    let second = tokio::spawn(async move {
        let update = "UPDATE band SET name = name || ', second' WHERE id = 1";
        other.execute(update, &[]).await
    });
    let waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    soon("the wait", async {
        while watcher.query_opt(waits, &[]).await?.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok::<_, tokio_postgres::Error>(())
    })
    .await?;
    assert!(!second.is_finished(), "the lock is held");
    first.commit().await?;
    assert_eq!(soon("the second", second).await??, 1);
    let name = client.query_one("SELECT name FROM band WHERE id = 1", &[]);
    assert_eq!(name.await?.get::<_, String>(0), "first, second");
    println!("postgres: who waits for a lock goes on when it is given back");
    Ok(())
}

async fn a_connection_that_the_server_ends_is_told(port: u16) -> Outcome {
    let (client, mut news) = connect(port).await?;
    let (killer, _) = connect(port).await?;
    let process: i32 = client
        .query_one("SELECT pg_backend_pid()", &[])
        .await?
        .get(0);
    let end = format!("SELECT pg_terminate_backend({process})");
    let end = killer.batch_execute(&end);
    let sleep = client.batch_execute("SELECT pg_sleep(3600)");
    let (slept, ended) = soon("the end", future::join(sleep, end)).await;
    ended?;
    let error = slept.unwrap_err();
    let told = error.is_closed() || error.code() == Some(&SqlState::ADMIN_SHUTDOWN);
    assert!(told, "{error:?}");
    assert!(soon("the connection's end", news.recv()).await.is_none());
    assert!(client.is_closed());
    println!("postgres: a connection that the server ends is told so, in the middle of a query");
    Ok(())
}
