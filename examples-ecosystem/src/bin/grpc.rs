//! tonic, client and server: the four kinds of calls, errors, deadlines, metadata, a handler that panics, a client that
//! goes away, a slow reader, and a graceful shutdown.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ecosystem::{Outcome, proof, soon};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};

use guild::Number;
use guild::guild_client::GuildClient;
use guild::guild_server::{Guild, GuildServer};

mod guild {
    tonic::include_proto!("guild");
}

/// The server, and what it tells the client's side.
#[derive(Clone, Default)]
struct Hall {
    sent: Arc<AtomicI64>,
    left: Arc<Notify>,
}

/// Says so when a stream is dropped.
struct Left(Arc<Notify>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

type Numbers = Pin<Box<dyn Stream<Item = Result<Number, Status>> + Send>>;

#[tonic::async_trait]
impl Guild for Hall {
    /// Negative numbers are refused, 0 is never answered, and the greatest of all panics. A word from the client comes back.
    async fn square(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        let word = request.metadata().get("word").cloned();
        let value = match request.into_inner().value {
            0 => std::future::pending().await,
            i64::MAX => panic!("a handler that panics, as it should"),
            value if value < 0 => {
                return Err(Status::invalid_argument(format!("{value} is negative")));
            }
            value => value * value,
        };
        let mut response = Response::new(Number { value });
        if let Some(word) = word {
            response.metadata_mut().insert("word", word);
        }
        Ok(response)
    }

    type CountStream = Numbers;

    /// Negative numbers count for ever.
    async fn count(&self, request: Request<Number>) -> Result<Response<Numbers>, Status> {
        let limit = request.into_inner().value;
        let left = Left(self.left.clone());
        let sent = self.sent.clone();
        let numbers = (0..).take_while(move |value| limit < 0 || *value < limit);
        let numbers = tokio_stream::iter(numbers).map(move |value| {
            let _ = &left;
            sent.store(value, Ordering::SeqCst);
            Ok(Number { value })
        });
        Ok(Response::new(Box::pin(numbers)))
    }

    async fn sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Number>, Status> {
        let mut numbers = request.into_inner();
        let mut value = 0;
        while let Some(number) = numbers.next().await {
            value += number?.value;
        }
        Ok(Response::new(Number { value }))
    }

    type RunningStream = Numbers;

    async fn running(
        &self,
        request: Request<Streaming<Number>>,
    ) -> Result<Response<Numbers>, Status> {
        let mut sum = 0;
        let sums = request.into_inner().map(move |number| {
            sum += number?.value;
            Ok(Number { value: sum })
        });
        Ok(Response::new(Box::pin(sums)))
    }
}

#[tokio::main]
async fn main() -> Outcome {
    let hall = Hall::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        .add_service(GuildServer::new(hall.clone()))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            let _ = stopped.await;
        });
    let server = tokio::spawn(server);
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    let client = GuildClient::new(channel);

    unary(client.clone()).await?;
    a_panic_ends_its_call_alone(client.clone()).await?;
    streams(client.clone()).await?;
    a_slow_reader_holds_the_server_back(client.clone(), &hall).await?;

    // A stream that is open when the server is told to stop goes on to its end.
    let (sender, numbers) = mpsc::channel(1);
    let mut client = client;
    let running = client.running(ReceiverStream::new(numbers));
    sender.send(Number { value: 1 }).await?;
    let mut sums = soon("the stream", running).await?.into_inner();
    assert_eq!(soon("a sum", sums.next()).await.ok_or("ended")??.value, 1);
    stop.send(()).map_err(|()| "the server has gone")?;
    sender.send(Number { value: 2 }).await?;
    assert_eq!(soon("a sum", sums.next()).await.ok_or("ended")??.value, 3);
    drop(sender);
    assert!(soon("the end", sums.next()).await.is_none());
    drop((sums, client));
    soon("the server's end", server).await??;
    println!("grpc: a server that is told to stop lets an open stream go on to its end");

    proof();
    Ok(())
}

async fn unary(client: GuildClient<Channel>) -> Outcome {
    let mut calls = tokio::task::JoinSet::new();
    for value in 1..=500 {
        let mut client = client.clone();
        calls.spawn(async move {
            Ok::<_, Status>((
                value,
                client.square(Number { value }).await?.into_inner().value,
            ))
        });
    }
    while let Some(call) = soon("an answer", calls.join_next()).await {
        let (value, square) = call??;
        assert_eq!(square, value * value);
    }
    println!("grpc: 500 calls at once on one connection have each their own answer");
    let mut client = client;
    let refused = soon("the refusal", client.square(Number { value: -3 }))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::InvalidArgument, "-3 is negative")
    );
    println!("grpc: a refusal comes with its code and its words");
    let mut request = Request::new(Number { value: 0 });
    request.set_timeout(Duration::from_millis(50));
    let late = soon("the deadline", client.square(request))
        .await
        .unwrap_err();
    assert!(
        matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{late:?}"
    );
    println!("grpc: a call that is never answered ends at its deadline");
    let mut request = Request::new(Number { value: 12 });
    request.metadata_mut().insert("word", "arrow".parse()?);
    let answer = soon("the answer", client.square(request)).await?;
    let word = answer.metadata().get("word").ok_or("no word")?;
    assert_eq!((word.to_str()?, answer.get_ref().value), ("arrow", 144));
    println!("grpc: a word in the metadata comes back with the answer");
    Ok(())
}

async fn a_panic_ends_its_call_alone(mut client: GuildClient<Channel>) -> Outcome {
    // This call is under way on the same connection, before and after.
    let (sender, numbers) = mpsc::channel(1);
    let running = client.running(ReceiverStream::new(numbers));
    sender.send(Number { value: 1 }).await?;
    let mut sums = soon("the stream", running).await?.into_inner();
    assert_eq!(soon("a sum", sums.next()).await.ok_or("ended")??.value, 1);
    let panics = client.square(Number { value: i64::MAX });
    assert!(soon("the end of the call", panics).await.is_err());
    sender.send(Number { value: 2 }).await?;
    assert_eq!(soon("a sum", sums.next()).await.ok_or("ended")??.value, 3);
    println!("grpc: a handler's panic ends its call alone");
    Ok(())
}

async fn streams(mut client: GuildClient<Channel>) -> Outcome {
    let numbers = soon("the stream", client.count(Number { value: 1_000 }))
        .await?
        .into_inner();
    let numbers: Vec<i64> = soon(
        "the numbers",
        numbers
            .map(|number| number.map(|it| it.value))
            .collect::<Result<_, _>>(),
    )
    .await?;
    assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    println!("grpc: a server's stream comes whole and in order");
    let numbers = tokio_stream::iter(1..=1_000).map(|value| Number { value });
    assert_eq!(
        soon("the sum", client.sum(numbers))
            .await?
            .into_inner()
            .value,
        500_500
    );
    println!("grpc: a client's stream is read to its end before the answer");
    let numbers = tokio_stream::iter(1..=100).map(|value| Number { value });
    let mut sums = soon("the stream", client.running(numbers))
        .await?
        .into_inner();
    let mut count = 0;
    while let Some(sum) = soon("a sum", sums.next()).await {
        count += 1;
        assert_eq!(sum?.value, count * (count + 1) / 2);
    }
    assert_eq!(count, 100);
    println!("grpc: where both stream, each number is answered by the sum so far");
    Ok(())
}

async fn a_slow_reader_holds_the_server_back(
    mut client: GuildClient<Channel>,
    hall: &Hall,
) -> Outcome {
    // The stream of the test before may have left its notice.
    soon("the end of the stream before", hall.left.notified()).await;
    let mut numbers = soon("the stream", client.count(Number { value: -1 }))
        .await?
        .into_inner();
    for expected in 0..10_000 {
        let number = soon("a number", numbers.next()).await.ok_or("ended")??;
        assert_eq!(number.value, expected);
        // A number takes some ten bytes; the windows and buffers are some hundred kilobytes.
        let ahead = hall.sent.load(Ordering::SeqCst) - expected;
        assert!(ahead < 1_000_000, "the server is {ahead} numbers ahead");
    }
    println!("grpc: a slow reader holds the server back");
    drop(numbers);
    soon("the drop of the server's stream", hall.left.notified()).await;
    println!("grpc: a reader that leaves ends the server's stream");
    Ok(())
}
