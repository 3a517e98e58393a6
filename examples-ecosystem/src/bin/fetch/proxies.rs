//! A proxy for plain requests, and for tunnels.

use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use ecosystem::{Outcome, law, soon, tls::Identity};
use reqwest::{Proxy, StatusCode};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::fetcher::{Error, Fetcher, Limits};
use crate::origin::{Head, Origin};
use crate::{session, trusting};

#[derive(Clone, Copy)]
enum Manner {
    Serve,
    /// Answers 407, with a body.
    Refuse,
    /// Closes after the request.
    Close,
}

struct Relay {
    origin: Origin,
    seen: Arc<Mutex<Vec<Head>>>,
}

impl Relay {
    /// A proxy. Plain requests it answers itself; a tunnel, whatever its target, leads to `tunnel`.
    async fn start(manner: Manner, tunnel: Option<std::net::SocketAddr>) -> Outcome<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heads = seen.clone();
        let origin = Origin::start(move |mut peer| {
            let heads = heads.clone();
            async move {
                while let Some(head) = peer.head().await? {
                    heads.lock().map_err(|_| "poisoned")?.push(head.clone());
                    match manner {
                        Manner::Close => return Ok(()),
                        Manner::Refuse => {
                            let ask = "proxy-authenticate: Basic realm=\"x\"\r\n";
                            peer.answer("407 Proxy Authentication Required", ask, "who are you?")
                                .await?;
                        }
                        Manner::Serve if head.method == "CONNECT" => {
                            let mut far = TcpStream::connect(tunnel.ok_or("no tunnel")?).await?;
                            peer.send("HTTP/1.1 200 OK\r\n\r\n").await?;
                            copy_bidirectional(&mut peer.wire, &mut far).await?;
                            return Ok(());
                        }
                        Manner::Serve => peer.answer("200 OK", "", &head.target).await?,
                    }
                }
                Ok(())
            }
        })
        .await?;
        Ok(Self { origin, seen })
    }

    fn heads(&self) -> Vec<Head> {
        std::mem::take(&mut *self.seen.lock().expect("nobody panics with it"))
    }
}

pub async fn laws() -> Outcome {
    let secret = Some(format!("Basic {}", BASE64_STANDARD.encode("tuck:friar")));
    let identity = Identity::new("sherwood.test")?;
    let tls = Origin::start_tls(&identity, |mut peer| async move {
        while let Some(head) = peer.head().await? {
            let leaked = head.header("proxy-authorization").is_some();
            peer.answer("200 OK", "", format!("{} {leaked}", head.target))
                .await?;
        }
        Ok(())
    })
    .await?;
    let direct = Origin::start(|mut peer| async move {
        while peer.head().await?.is_some() {
            peer.answer("200 OK", "", "direct").await?;
        }
        Ok(())
    })
    .await?;

    let relay = Relay::start(Manner::Serve, Some(tls.address)).await?;
    let proxy = Proxy::all(relay.origin.url("/"))?.basic_auth("tuck", "friar");
    let proxy = proxy.no_proxy(reqwest::NoProxy::from_string("127.0.0.1"));
    let fetcher = Fetcher::new(trusting(&[&identity])?.proxy(proxy), Limits::default())?;
    for path in ["/a", "/b"] {
        let url = format!("http://loxley.test{path}");
        assert_eq!(
            soon("an answer", fetcher.get(&url)).await?.text(),
            url,
            "absolute form"
        );
    }
    let heads = relay.heads();
    assert_eq!(heads.len(), 2);
    for head in &heads {
        assert_eq!(
            head.header("proxy-authorization").map(str::to_owned),
            secret,
            "each request has it"
        );
    }
    for path in ["/c", "/d"] {
        let answer = soon(
            "an answer",
            fetcher.get(format!("https://sherwood.test{path}")),
        )
        .await?;
        assert_eq!(
            answer.text(),
            format!("{path} false"),
            "the header stays at the proxy"
        );
    }
    let heads = relay.heads();
    for head in &heads {
        assert_eq!(
            (head.method.as_str(), head.target.as_str()),
            ("CONNECT", "sherwood.test:443")
        );
        assert_eq!(
            head.header("proxy-authorization").map(str::to_owned),
            secret
        );
    }
    assert_eq!(heads.len(), tls.connections(), "one tunnel per connection");

    // What goes directly has its own connections, and the proxy sees none of it.
    assert_eq!(
        soon("an answer", fetcher.get(direct.url("/")))
            .await?
            .text(),
        "direct"
    );
    assert!(relay.heads().is_empty());
    assert_eq!(direct.connections(), 1);

    let through = |relay: &Relay| -> Outcome<Fetcher> {
        Ok(Fetcher::new(
            session()?.proxy(Proxy::all(relay.origin.url("/"))?),
            Limits::default(),
        )?)
    };
    let refuse = Relay::start(Manner::Refuse, None).await?;
    let refused = soon("407", through(&refuse)?.get("http://loxley.test/")).await?;
    assert_eq!(refused.status, StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    assert_eq!(refused.text(), "who are you?");
    let error = soon("an error", through(&refuse)?.get("https://sherwood.test/")).await;
    assert!(
        matches!(&error, Err(Error::Client(error)) if error.is_connect()),
        "{error:?}"
    );
    let close = Relay::start(Manner::Close, None).await?;
    for url in ["http://loxley.test/", "https://sherwood.test/"] {
        let error = soon("an error", through(&close)?.get(url)).await;
        assert!(matches!(&error, Err(Error::Client(_))), "{error:?}");
    }
    law(
        "C41",
        "client library",
        "absolute form and header for plain requests, CONNECT alone for the others; 407 and a \
         proxy that closes are told; what goes directly never meets the proxy",
    );
    Ok(())
}
