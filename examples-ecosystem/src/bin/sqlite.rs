//! sqlx on SQLite: a pool, transactions, many writers at once, and rows as a stream.

use ecosystem::{Outcome, proof, soon};
use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Row, SqlitePool};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

const WRITERS: i64 = 8;
const ROWS: i64 = 25;

#[tokio::main]
async fn main() -> Outcome {
    let directory = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("band.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(100));
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await?;
    sqlx::query(
        "CREATE TABLE band (id INTEGER PRIMARY KEY, who INTEGER NOT NULL, name TEXT NOT NULL)",
    )
    .execute(&pool)
    .await?;

    many_writers(&pool).await?;
    a_transaction_is_all_or_nothing(&pool).await?;
    rows_come_as_a_stream(&pool).await?;
    who_stops_reading_gives_the_connection_back(&pool).await?;
    a_reader_does_not_wait_for_a_writer(&pool).await?;
    much_comes_back_whole(&pool).await?;
    a_broken_rule_is_named(&pool).await?;
    the_pool_has_a_limit(&pool).await?;
    the_wait_for_a_place_has_a_limit(&pool).await?;
    soon("the pool's end", pool.close()).await;
    let error = pool.acquire().await.err();
    assert!(matches!(error, Some(sqlx::Error::PoolClosed)), "{error:?}");
    println!("sqlite: a closed pool gives nothing");

    // An event for the proof: files have none.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let other = tokio::spawn(async move { TcpStream::connect(address).await });
    soon("a connection", listener.accept()).await?;
    soon("a connection", other).await??;
    proof();
    Ok(())
}

async fn many_writers(pool: &SqlitePool) -> Outcome {
    let mut writers = tokio::task::JoinSet::new();
    for who in 0..WRITERS {
        let pool = pool.clone();
        writers.spawn(async move {
            for number in 0..ROWS {
                let insert = sqlx::query("INSERT INTO band (who, name) VALUES (?, ?)");
                insert
                    .bind(who)
                    .bind(format!("{who}-{number}"))
                    .execute(&pool)
                    .await?;
            }
            Ok::<_, sqlx::Error>(())
        });
    }
    while let Some(writer) = soon("a writer", writers.join_next()).await {
        writer??;
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM band")
        .fetch_one(pool)
        .await?;
    assert_eq!(count, WRITERS * ROWS);
    println!("sqlite: {WRITERS} writers at once, {count} rows");
    Ok(())
}

async fn a_transaction_is_all_or_nothing(pool: &SqlitePool) -> Outcome {
    let names = "SELECT count(*) FROM band WHERE who = 100";
    let insert = "INSERT INTO band (who, name) VALUES (100, 'much')";
    let mut transaction = pool.begin().await?;
    sqlx::query(insert).execute(&mut *transaction).await?;
    drop(transaction);
    let count: i64 = sqlx::query_scalar(names).fetch_one(pool).await?;
    assert_eq!(count, 0, "dropped is undone");
    let mut transaction = pool.begin().await?;
    sqlx::query(insert).execute(&mut *transaction).await?;
    transaction.commit().await?;
    let count: i64 = sqlx::query_scalar(names).fetch_one(pool).await?;
    assert_eq!(count, 1);
    println!("sqlite: a transaction that is dropped leaves nothing");
    Ok(())
}

async fn rows_come_as_a_stream(pool: &SqlitePool) -> Outcome {
    let mut rows =
        sqlx::query("SELECT who, name FROM band WHERE who < 100 ORDER BY who, id").fetch(pool);
    let mut next = vec![0; WRITERS as usize];
    while let Some(row) = soon("a row", rows.try_next()).await? {
        let (who, name): (i64, String) = (row.get(0), row.get(1));
        assert_eq!(name, format!("{who}-{}", next[who as usize]));
        next[who as usize] += 1;
    }
    assert!(next.iter().all(|count| *count == ROWS), "{next:?}");
    println!("sqlite: each writer's rows in its order, as a stream");
    Ok(())
}

async fn the_pool_has_a_limit(pool: &SqlitePool) -> Outcome {
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(soon("a connection", pool.acquire()).await?);
    }
    assert!(pool.try_acquire().is_none(), "four are all there are");
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    held.pop();
    soon("a connection that was given back", waiting).await??;
    println!("sqlite: the fifth waits until one of four is given back");
    Ok(())
}

async fn who_stops_reading_gives_the_connection_back(pool: &SqlitePool) -> Outcome {
    for _ in 0..20 {
        let mut rows = sqlx::query("SELECT name FROM band").fetch(pool);
        assert!(soon("a row", rows.try_next()).await?.is_some());
    }
    let all = sqlx::query("SELECT name FROM band").fetch_all(pool);
    assert_eq!(
        soon("all rows", all).await?.len() as i64,
        WRITERS * ROWS + 1
    );
    println!("sqlite: a stream that is dropped early gives its connection back");
    Ok(())
}

async fn a_reader_does_not_wait_for_a_writer(pool: &SqlitePool) -> Outcome {
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO band (who, name) VALUES (200, 'soon')")
        .execute(&mut *transaction)
        .await?;
    let count = "SELECT count(*) FROM band WHERE who = 200";
    let seen: i64 = soon("a look", sqlx::query_scalar(count).fetch_one(pool)).await?;
    assert_eq!(seen, 0, "it has not been committed");
    transaction.rollback().await?;
    println!("sqlite: a reader sees what was before, while somebody writes");
    Ok(())
}

async fn much_comes_back_whole(pool: &SqlitePool) -> Outcome {
    let much: Vec<u8> = (0..4 << 20).map(|at: u32| (at % 251) as u8).collect();
    let echo = sqlx::query_scalar("SELECT ?").bind(&much).fetch_one(pool);
    let got: Vec<u8> = soon("the echo", echo).await?;
    assert!(got == much, "4 MiB came back otherwise");
    println!("sqlite: 4 MiB there and back");
    Ok(())
}

async fn a_broken_rule_is_named(pool: &SqlitePool) -> Outcome {
    let twice = sqlx::query("INSERT INTO band (id, who, name) VALUES (1, 0, '')").execute(pool);
    let error = soon("the refusal", twice).await.unwrap_err();
    let kind = error.as_database_error().map(|error| error.kind());
    assert!(
        matches!(kind, Some(sqlx::error::ErrorKind::UniqueViolation)),
        "{error:?}"
    );
    println!("sqlite: a key that is there already is refused by name");
    Ok(())
}

async fn the_wait_for_a_place_has_a_limit(pool: &SqlitePool) -> Outcome {
    let options = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(50));
    let small = options.connect_lazy_with(pool.connect_options().as_ref().clone());
    // Where the machine is slow, the first connection may take longer than that.
    let _held = soon("the only place", async {
        loop {
            match small.acquire().await {
                Err(sqlx::Error::PoolTimedOut) => {}
                other => break other,
            }
        }
    })
    .await?;
    let error = soon("the limit", small.acquire()).await.err();
    assert!(
        matches!(error, Some(sqlx::Error::PoolTimedOut)),
        "{error:?}"
    );
    println!("sqlite: who waits too long for a place is told so");
    Ok(())
}
