//! Arguments: what the person who started the tour asked for.

use std::net::SocketAddr;

/// One of the three things that the program does.
#[derive(Debug, PartialEq)]
pub(crate) enum Args {
    /// Print the help and end.
    Help,
    /// Both acts with tables.
    Tour {
        /// Five seconds in all.
        short: bool,
    },
    /// The HTTP service alone, until Ctrl-C.
    Serve(SocketAddr),
}

pub(crate) const HELP: &str = "\
A tour of loxley: serves a TCP echo and an HTTP service on loopback ports, drives
both from threads of its own, and prints what the clients and the workers saw.

usage: cargo run --release [-- OPTIONS]

  --short         5 seconds in all instead of about 16
  --serve ADDR    leave the HTTP service running on ADDR, for example
                  127.0.0.1:8080, until Ctrl-C; port 0 picks a free one
  -h, --help      print this

LOXLEY_WORKER_THREADS=N sets the number of workers (default: one per core).
";

/// Reads the arguments that stand behind the program's name.
pub(crate) fn parse<I>(args: I) -> Result<Args, String>
where
    I: IntoIterator<Item = String>,
{
    let mut short = false;
    let mut serve = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-h" | "--help" => return Ok(Args::Help),
            "--short" => short = true,
            "--serve" => {
                let text = args.next().ok_or("--serve needs an address")?;
                serve = Some(address(&text)?);
            }
            other => match other.strip_prefix("--serve=") {
                Some(text) => serve = Some(address(text)?),
                None => return Err(format!("unknown argument `{other}`")),
            },
        }
    }
    match (short, serve) {
        (true, Some(_)) => Err("--short and --serve do not go together".into()),
        (false, Some(address)) => Ok(Args::Serve(address)),
        (short, None) => Ok(Args::Tour { short }),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not an address with a port, such as 127.0.0.1:8080"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Args, String> {
        parse(args.iter().map(|arg| arg.to_string()))
    }

    #[test]
    fn without_arguments_it_is_the_long_tour() {
        assert_eq!(parsed(&[]), Ok(Args::Tour { short: false }));
        assert_eq!(parsed(&["--short"]), Ok(Args::Tour { short: true }));
    }

    #[test]
    fn serve_takes_its_address_both_ways() {
        let address = Ok(Args::Serve(([127, 0, 0, 1], 8080).into()));
        assert_eq!(parsed(&["--serve", "127.0.0.1:8080"]), address);
        assert_eq!(parsed(&["--serve=127.0.0.1:8080"]), address);
    }

    #[test]
    fn a_bad_address_is_named_with_a_good_one_beside_it() {
        for bad in ["8080", "localhost", "127.0.0.1", "127.0.0.1:99999", ""] {
            let error = parsed(&["--serve", bad]).unwrap_err();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("127.0.0.1:8080"));
        }
        assert!(
            parsed(&["--serve"])
                .unwrap_err()
                .contains("needs an address")
        );
    }

    #[test]
    fn an_unknown_argument_is_named() {
        assert!(parsed(&["--shrot"]).unwrap_err().contains("`--shrot`"));
        assert!(parsed(&["extra"]).unwrap_err().contains("`extra`"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(parsed(&["--short", "--serve", "127.0.0.1:0"]).is_err());
    }

    #[test]
    fn help_wins_over_everything_behind_it() {
        assert_eq!(parsed(&["--help", "--nonsense"]), Ok(Args::Help));
        assert_eq!(parsed(&["-h"]), Ok(Args::Help));
    }
}
