//! What a session keeps between requests, and what a URL says.

use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use ecosystem::{Outcome, law, soon};
use tokio::net::TcpListener;

use crate::fetcher::Fetcher;
use crate::origin::{Head, Origin};
use crate::{fetcher, session};

pub async fn laws() -> Outcome {
    a_session_keeps_connections_and_cookies().await?;
    a_url_says_who_and_where().await
}

type Seen = Arc<Mutex<Vec<Head>>>;

/// Answers everything, sets a cookie if asked for `/login`, and remembers the requests.
async fn origin(listener: TcpListener) -> Outcome<(Origin, Seen)> {
    let seen = Seen::default();
    let heads = seen.clone();
    let origin = Origin::on(listener, None, move |mut peer| {
        let heads = heads.clone();
        async move {
            while let Some(head) = peer.head().await? {
                let cookie = match head.target.as_str() {
                    "/login" => "set-cookie: name=robin; Path=/\r\n",
                    _ => "",
                };
                heads.lock().map_err(|_| "poisoned")?.push(head);
                peer.answer("200 OK", cookie, "").await?;
            }
            Ok(())
        }
    })?;
    Ok((origin, seen))
}

fn last(seen: &Seen, header: &str) -> Option<String> {
    let seen = seen.lock().expect("nobody panics with it");
    seen.last()?.header(header).map(str::to_owned)
}

async fn a_session_keeps_connections_and_cookies() -> Outcome {
    let (origin, seen) = origin(TcpListener::bind("127.0.0.1:0").await?).await?;
    let fetcher = Fetcher::new(session()?.cookie_store(true), Default::default())?;
    soon("an answer", fetcher.get(origin.url("/"))).await?;
    assert_eq!(last(&seen, "cookie"), None);
    soon("an answer", fetcher.get(origin.url("/login"))).await?;
    for _ in 0..10 {
        soon("an answer", fetcher.get(origin.url("/"))).await?;
        assert_eq!(last(&seen, "cookie").as_deref(), Some("name=robin"));
    }
    println!(
        "session: the cookie came with each request, on {} connections",
        origin.connections()
    );
    Ok(())
}

fn basic(credentials: &str) -> Option<String> {
    Some(format!("Basic {}", BASE64_STANDARD.encode(credentials)))
}

async fn a_url_says_who_and_where() -> Outcome {
    let (origin, seen) = origin(TcpListener::bind("127.0.0.1:0").await?).await?;
    let fetcher = fetcher()?;
    let with = format!("http://robin:h%40od@{}/", origin.address);
    soon("an answer", fetcher.get(with)).await?;
    assert_eq!(last(&seen, "authorization"), basic("robin:h@od"));
    assert_eq!(
        last(&seen, "host"),
        Some(origin.address.to_string()),
        "they are not in the host"
    );
    let request = fetcher
        .client()
        .get(origin.url("/"))
        .basic_auth("marian", Some("maid"));
    soon("an answer", fetcher.fetch(request)).await?;
    assert_eq!(last(&seen, "authorization"), basic("marian:maid"));
    soon("an answer", fetcher.get(origin.url("/"))).await?;
    assert_eq!(
        last(&seen, "authorization"),
        None,
        "they belong to a request, not to the connection"
    );

    match TcpListener::bind("[::1]:0").await {
        Ok(listener) => {
            let (six, seen) = self::origin(listener).await?;
            soon("an answer", fetcher.get(six.url("/"))).await?;
            assert_eq!(last(&seen, "host"), Some(six.address.to_string()));
        }
        Err(error) => println!("skipped: IPv6 literals, there is no IPv6 here ({error})"),
    }
    let zone = fetcher.client().get("http://[fe80::1%25lo]:1/").build();
    assert!(
        zone.is_err_and(|error| error.is_builder()),
        "a zone is refused when the request is made"
    );

    // Hosts that nobody has, at a proxy that sees what is asked for.
    let proxied = session()?.proxy(reqwest::Proxy::http(origin.url("/"))?);
    let proxied = Fetcher::new(proxied, Default::default())?;
    for (url, host, target) in [
        (
            "http://sherwood.test:80/a",
            "sherwood.test",
            "http://sherwood.test/a",
        ),
        (
            "http://sherwood.test:81/a",
            "sherwood.test:81",
            "http://sherwood.test:81/a",
        ),
        (
            "http://bücher.test/",
            "xn--bcher-kva.test",
            "http://xn--bcher-kva.test/",
        ),
    ] {
        soon("an answer", proxied.get(url)).await?;
        assert_eq!(last(&seen, "host").as_deref(), Some(host));
        assert_eq!(
            seen.lock()
                .map_err(|_| "poisoned")?
                .last()
                .map(|head| head.target.clone())
                .as_deref(),
            Some(target)
        );
    }
    law(
        "C40",
        "client library",
        "credentials, IPv6, default ports and IDNA; a zone is an error",
    );
    law(
        "C42",
        "client library",
        "credentials belong to their request, also on a shared connection",
    );
    Ok(())
}
