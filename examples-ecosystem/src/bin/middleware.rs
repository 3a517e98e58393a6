//! tower's middleware: time limit, limit of concurrency, rate, load shedding, buffer; and axum behind them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::{Router, routing::get};
use ecosystem::{Outcome, proof, soon};
use http_body_util::BodyExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

#[tokio::main]
async fn main() -> Outcome {
    a_limit_holds_others_back().await?;
    a_full_service_sheds_load().await?;
    a_time_limit_ends_the_call().await?;
    a_rate_is_kept().await?;
    a_buffer_makes_one_service_many().await?;
    axum_behind_layers().await?;

    // An event for the proof: all of the above took place in memory.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let other = tokio::spawn(async move { TcpStream::connect(address).await });
    soon("a connection", listener.accept()).await?;
    soon("a connection", other).await??;

    proof();
    Ok(())
}

async fn a_limit_holds_others_back() -> Outcome {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (inside.clone(), most.clone());
    let service = ServiceBuilder::new()
        .concurrency_limit(3)
        .service(service_fn(move |number: usize| {
            let (inside, most) = counts.clone();
            async move {
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                inside.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(number * 2)
            }
        }));
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..100 {
        calls.spawn(service.clone().oneshot(number));
    }
    let mut sum = 0;
    while let Some(answer) = soon("an answer", calls.join_next()).await {
        sum += answer??;
    }
    assert_eq!(sum, 9_900);
    let most = most.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most), "{most} at a time");
    println!("limit: 100 calls, never more than 3 at a time");
    Ok(())
}

async fn a_full_service_sheds_load() -> Outcome {
    let door = Arc::new(Semaphore::new(0));
    let behind = door.clone();
    let mut service = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .service(service_fn(move |()| {
            let door = behind.clone();
            async move { door.acquire().await.map(|_| ()) }
        }));
    let first = soon("room", service.ready()).await?.call(());
    let mut other = service.clone();
    let refused = soon("room", other.ready()).await?.call(());
    let error = soon("the refusal", refused).await.unwrap_err();
    assert!(error.is::<tower::load_shed::error::Overloaded>(), "{error}");
    door.add_permits(1);
    soon("the first", first).await?;
    println!("load shedding: the second of one is refused at once");
    Ok(())
}

async fn a_time_limit_ends_the_call() -> Outcome {
    let service = ServiceBuilder::new()
        .timeout(Duration::from_millis(20))
        .service(service_fn(|()| {
            std::future::pending::<Result<(), Infallible>>()
        }));
    let error = soon("the limit", service.oneshot(())).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
    println!("timeout: a call that never answers ends");
    Ok(())
}

async fn a_rate_is_kept() -> Outcome {
    let period = Duration::from_millis(40);
    let mut service = ServiceBuilder::new()
        .rate_limit(2, period)
        .service(service_fn(|()| async {
            Ok::<_, Infallible>(tokio::time::Instant::now())
        }));
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(soon("a turn", service.ready()).await?.call(()).await?);
    }
    // The fifth is in the third period: at least two whole ones lie before it, however slow we are.
    assert!(times[4] - times[0] >= period, "{times:?}");
    println!("rate: two per period");
    Ok(())
}

async fn a_buffer_makes_one_service_many() -> Outcome {
    let mut count = 0_usize;
    // The service cannot be cloned: it owns its count.
    let service = service_fn(move |()| {
        count += 1;
        std::future::ready(Ok::<_, Infallible>(count))
    });
    let service = tower::buffer::Buffer::new(service, 4);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        calls.spawn(service.clone().oneshot(()));
    }
    let mut seen = Vec::new();
    while let Some(answer) = soon("an answer", calls.join_next()).await {
        seen.push(answer?.map_err(|error| error.to_string())?);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=50).collect::<Vec<_>>());
    println!("buffer: 50 callers of a service that has one owner");
    Ok(())
}

async fn axum_behind_layers() -> Outcome {
    let layers = ServiceBuilder::new()
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .layer(tower_http::limit::RequestBodyLimitLayer::new(8));
    let app = Router::new()
        .route(
            "/",
            get(|| async { "hello" }).post(|body: String| async move { body }),
        )
        .route("/panic", get(panics))
        .layer(layers);
    let answer = |request: Request<Body>| app.clone().oneshot(request);

    let hello = answer(Request::get("/").body(Body::empty())?).await?;
    assert_eq!(hello.into_body().collect().await?.to_bytes(), "hello");
    let caught = answer(Request::get("/panic").body(Body::empty())?).await?;
    assert_eq!(caught.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let long = answer(Request::post("/").body(Body::from("far too long"))?).await?;
    assert_eq!(long.status(), StatusCode::PAYLOAD_TOO_LARGE);
    println!("axum: a panic becomes an answer, a long body is refused");
    Ok(())
}

async fn panics() {
    panic!("a handler that panics, as it should");
}
