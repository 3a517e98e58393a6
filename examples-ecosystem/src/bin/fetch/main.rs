//! A fetcher on reqwest, against servers of its own. Each law that it checks bears its number in our list of behaviours;
//! who keeps it is said too: the fetcher (this program's own code on the runtime), or the client library.

mod connections;
mod fetcher;
mod limits;
mod origin;
mod proxies;
mod redirects;
mod sessions;

use ecosystem::{Outcome, proof, tls};
use fetcher::{Fetcher, Limits};
use reqwest::{Client, ClientBuilder};

#[tokio::main]
async fn main() -> Outcome {
    ecosystem::raise_open_files()?;
    limits::laws().await?;
    redirects::laws().await?;
    sessions::laws().await?;
    connections::laws().await?;
    proxies::laws().await?;
    proof();
    Ok(())
}

/// A session that trusts nobody: enough for what is plain.
fn session() -> Outcome<ClientBuilder> {
    trusting(&[])
}

fn trusting(servers: &[&tls::Identity]) -> Outcome<ClientBuilder> {
    Ok(Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls::trusting(servers)?))
}

fn fetcher() -> Outcome<Fetcher> {
    Ok(Fetcher::new(session()?, Limits::default())?)
}
