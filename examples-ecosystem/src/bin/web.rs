//! An axum server and a reqwest client: JSON, timeouts, 2,000 requests at once, a handler that panics, an aborted
//! request, a WebSocket, and a graceful shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use ecosystem::{Outcome, proof, soon, tls};
use futures_util::{SinkExt, StreamExt};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tower_http::timeout::TimeoutLayer;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sum {
    numbers: Vec<i64>,
    total: i64,
}

/// What the handlers tell the client's side.
#[derive(Default)]
struct Watch {
    hits: AtomicUsize,
    entered: Notify,
    dropped: Notify,
    finish: Notify,
}

/// Says so when a handler's future is dropped.
struct Gone(Arc<Watch>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

fn router(watch: Arc<Watch>) -> Router {
    // The only route under a limit never answers: no answer races with it.
    let slow = Router::new()
        .route("/never", get(std::future::pending::<()>))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_millis(50),
        ));
    Router::new()
        .route("/item/{number}", get(item))
        .route("/sum", post(sum))
        .route("/panic", get(panics))
        .route("/forever", get(std::future::pending::<()>))
        .route("/wait", get(waits))
        .route("/finish", get(finishes))
        .route("/socket", any(socket))
        .merge(slow)
        .with_state(watch)
}

async fn item(State(watch): State<Arc<Watch>>, Path(number): Path<u64>) -> String {
    watch.hits.fetch_add(1, Ordering::Relaxed);
    tokio::task::yield_now().await;
    (number * 2).to_string()
}

async fn sum(Json(mut sum): Json<Sum>) -> Json<Sum> {
    sum.total = sum.numbers.iter().sum();
    Json(sum)
}

async fn panics() {
    panic!("a handler that panics, as it should");
}

/// Ends only by being dropped.
async fn waits(State(watch): State<Arc<Watch>>) {
    let _gone = Gone(watch.clone());
    watch.entered.notify_one();
    std::future::pending().await
}

/// Ends when it is told to.
async fn finishes(State(watch): State<Arc<Watch>>) -> &'static str {
    watch.entered.notify_one();
    watch.finish.notified().await;
    "finished"
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { break };
            let answer = Message::Text(text.to_uppercase().into());
            if socket.send(answer).await.is_err() {
                break;
            }
        }
    })
}

#[tokio::main]
async fn main() -> Outcome {
    ecosystem::raise_open_files()?;
    let watch = Arc::new(Watch::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let base = format!("http://{address}");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router(watch.clone())).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(async move { server.await });
    // All is plain here: it need trust nobody, nor look for the system's certificates.
    let client = Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls::trusting(&[])?)
        .build()?;

    json(&client, &base).await?;
    limits(&client, &base).await?;
    many(&client, &base, &watch).await?;
    a_panic(&client, &base).await?;
    an_abort(&client, &base, &watch).await;
    a_websocket(&format!("ws://{address}/socket")).await?;

    // A request that is under way when the server is told to stop gets its answer.
    let last = tokio::spawn(client.get(format!("{base}/finish")).send());
    soon("the last request", watch.entered.notified()).await;
    stop.send(()).map_err(|()| "the server has gone")?;
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(
        !server.is_finished(),
        "the server waits for the request under way"
    );
    watch.finish.notify_one();
    let text = soon("the last answer", last).await??.text().await?;
    assert_eq!(text, "finished");
    drop(client);
    soon("the server's end", server).await??;
    println!("graceful shutdown: the listener closed, the request under way was answered");

    proof();
    Ok(())
}

async fn json(client: &Client, base: &str) -> Outcome {
    let question = Sum {
        numbers: vec![1, 2, 39],
        total: 0,
    };
    let request = client.post(format!("{base}/sum")).json(&question);
    let answer: Sum = soon("the sum", request.send()).await?.json().await?;
    assert_eq!(
        answer,
        Sum {
            numbers: vec![1, 2, 39],
            total: 42
        }
    );
    let request = client
        .post(format!("{base}/sum"))
        .header("content-type", "application/json");
    let refused = soon("a refusal", request.body("{").send()).await?;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    println!("json: there and back, and refused when it is cut off");
    Ok(())
}

async fn limits(client: &Client, base: &str) -> Outcome {
    let answer = soon(
        "the server's limit",
        client.get(format!("{base}/never")).send(),
    )
    .await?;
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    let request = client
        .get(format!("{base}/forever"))
        .timeout(Duration::from_millis(50));
    let error = soon("the client's limit", request.send())
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    println!("timeouts: the server's and the client's");
    Ok(())
}

async fn many(client: &Client, base: &str, watch: &Watch) -> Outcome {
    let before = watch.hits.load(Ordering::Relaxed);
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..2_000_u64 {
        let request = client.get(format!("{base}/item/{number}"));
        requests.spawn(async move {
            let text = request.send().await?.text().await?;
            Ok::<_, reqwest::Error>((number, text))
        });
    }
    while let Some(answer) = soon("one of 2,000 answers", requests.join_next()).await {
        let (number, text) = answer??;
        assert_eq!(text, (number * 2).to_string());
    }
    assert_eq!(watch.hits.load(Ordering::Relaxed) - before, 2_000);
    println!("2,000 requests at once: each got its own answer");
    Ok(())
}

async fn a_panic(client: &Client, base: &str) -> Outcome {
    let error = soon("the end of it", client.get(format!("{base}/panic")).send()).await;
    assert!(error.is_err(), "the connection ends with its task");
    let text = client
        .get(format!("{base}/item/4"))
        .send()
        .await?
        .text()
        .await?;
    assert_eq!(text, "8");
    println!("a handler's panic ends its connection alone");
    Ok(())
}

async fn an_abort(client: &Client, base: &str, watch: &Watch) {
    let request = tokio::spawn(client.get(format!("{base}/wait")).send());
    soon("the request", watch.entered.notified()).await;
    request.abort();
    assert!(soon("the abort", request).await.unwrap_err().is_cancelled());
    soon("the handler's drop", watch.dropped.notified()).await;
    println!("an aborted request is dropped on the server too");
}

async fn a_websocket(url: &str) -> Outcome {
    use tokio_tungstenite::tungstenite::Message;

    let (mut socket, _) = soon("the upgrade", tokio_tungstenite::connect_async(url)).await?;
    for word in ["robin", "marian", "tuck"] {
        socket.send(Message::text(word)).await?;
        let answer = soon("an answer", socket.next())
            .await
            .ok_or("it closed")??;
        assert_eq!(answer.into_text()?.as_str(), word.to_uppercase());
    }
    socket.close(None).await?;
    println!("websocket: three words there and back");
    Ok(())
}
