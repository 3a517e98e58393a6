//! Redirects: followed within limits, by the client library's rules.

use std::sync::Arc;

use ecosystem::{Outcome, law, soon};
use reqwest::{StatusCode, redirect};
use tokio::sync::mpsc;

use crate::fetcher::{Error, Fetcher, Limits};
use crate::origin::{Head, Origin};
use crate::session;

pub async fn laws() -> Outcome {
    chains_and_targets().await?;
    credentials_stay_at_home().await
}

/// Answers by path: `/chain/N` leads to `/chain/N-1`, `/to/URL` leads to the URL, the rest is an end.
async fn origin() -> Outcome<(Origin, mpsc::UnboundedReceiver<Head>)> {
    let (seen, heads) = mpsc::unbounded_channel();
    let origin = Origin::start(move |mut peer| {
        let seen = seen.clone();
        async move {
            while let Some(head) = peer.head().await? {
                seen.send(head.clone())?;
                let target = head.target.as_str();
                let (status, location) = match target.trim_start_matches('/').split_once('/') {
                    Some(("chain", "0")) | None => ("200 OK", None),
                    // Relative to the last segment.
                    Some(("chain", number)) => {
                        ("302 Found", Some((number.parse::<u32>()? - 1).to_string()))
                    }
                    Some(("to", url)) => ("307 Temporary Redirect", Some(url.to_owned())),
                    Some(("other", _)) => ("303 See Other", Some("/end".to_owned())),
                    Some(_) => ("302 Found", None),
                };
                let header = location.map_or(String::new(), |url| format!("location: {url}\r\n"));
                // An answer to HEAD has no body.
                let body = if head.method == "HEAD" { "" } else { target };
                peer.answer(status, &header, body).await?;
            }
            Ok(())
        }
    })
    .await?;
    Ok((origin, heads))
}

async fn chains_and_targets() -> Outcome {
    let (origin, mut heads) = origin().await?;
    // One place: were each step of a chain to count, the second would wait for the first for ever.
    let limits = Limits {
        at_once: 1,
        ..Limits::default()
    };
    let session = session()?.redirect(redirect::Policy::limited(5));
    let fetcher = Fetcher::new(session, limits)?;

    let end = soon("the end of the chain", fetcher.get(origin.url("/chain/5"))).await?;
    assert_eq!(
        (end.text().as_str(), end.url),
        ("/chain/0", origin.url("/chain/0"))
    );
    let error = soon("the limit", fetcher.get(origin.url("/chain/6"))).await;
    assert!(matches!(error, Err(Error::Client(error)) if error.is_redirect()));
    let nowhere = soon("the answer", fetcher.get(origin.url("/no/where"))).await?;
    assert_eq!(
        (nowhere.status, nowhere.text().as_str()),
        (StatusCode::FOUND, "/no/where")
    );

    while heads.try_recv().is_ok() {}
    let request = fetcher.client().head(origin.url("/other/place"));
    let end = soon("the end", fetcher.fetch(request)).await?;
    assert_eq!(end.status, StatusCode::OK);
    let request = fetcher.client().post(origin.url("/other/place"));
    assert_eq!(
        soon("the end", fetcher.fetch(request)).await?.text(),
        "/end"
    );
    let mut methods = Vec::new();
    while let Ok(head) = heads.try_recv() {
        methods.push(head.method);
    }
    assert_eq!(methods, ["HEAD", "HEAD", "POST", "GET"]);
    law(
        "C31",
        "client library",
        "chains end, targets are relative, none is an answer, 303 keeps HEAD",
    );
    law("C31", "fetcher", "a chain counts once against the limit");
    Ok(())
}

async fn credentials_stay_at_home() -> Outcome {
    let (home, mut at_home) = origin().await?;
    let (abroad, mut at_abroad) = origin().await?;
    let jar = Arc::new(reqwest::cookie::Jar::default());
    let fetcher = Fetcher::new(session()?.cookie_provider(jar), Limits::default())?;
    let secret = |url: String| {
        fetcher
            .client()
            .get(url)
            .basic_auth("robin", Some("hood"))
            .header("cookie", "a=b")
    };

    soon("the end", fetcher.fetch(secret(home.url("/to//end")))).await?;
    for _ in 0..2 {
        let head = soon("a request", at_home.recv()).await.ok_or("gone")?;
        assert!(
            head.header("authorization").is_some(),
            "at home they stay: {head:?}"
        );
    }
    soon(
        "the end",
        fetcher.fetch(secret(home.url(&format!("/to/{}", abroad.url("/end"))))),
    )
    .await?;
    let head = soon("a request", at_abroad.recv()).await.ok_or("gone")?;
    assert_eq!(
        (head.header("authorization"), head.header("cookie")),
        (None, None),
        "{head:?}"
    );
    law(
        "C32",
        "client library",
        "a redirect to another origin drops credentials and cookies",
    );
    Ok(())
}
