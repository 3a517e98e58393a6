//! What stands in the parentheses: `flavor`, `worker_threads`, `start_paused`, `unhandled_panic`, `name`, `crate`.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Lit, Path, Result, Token};

use crate::entry::Kind;

#[derive(Clone, Copy, PartialEq)]
pub enum Flavor {
    MultiThread,
    CurrentThread,
    Local,
}

const FLAVORS: &str = "\"multi_thread\", \"current_thread\" or \"local\"";
const KNOWN: [&str; 6] = [
    "flavor",
    "worker_threads",
    "start_paused",
    "unhandled_panic",
    "name",
    "crate",
];

/// The arguments, checked against each other.
pub struct Args {
    pub flavor: Flavor,
    pub worker_threads: Option<usize>,
    pub start_paused: Option<bool>,
    /// A variant of `UnhandledPanic`.
    pub unhandled_panic: Option<Ident>,
    pub name: Option<String>,
    pub krate: Option<Path>,
}

/// One `name = literal`.
struct Arg {
    name: Ident,
    value: Lit,
}

impl Parse for Arg {
    fn parse(input: ParseStream<'_>) -> Result<Arg> {
        // `parse_any`: `crate` is a keyword.
        let name = input.call(Ident::parse_any)?;
        known(&name)?;
        if !input.peek(Token![=]) {
            let message = format!("`{name}` wants a value: `{name} = …`");
            return Err(Error::new(name.span(), message));
        }
        input.parse::<Token![=]>()?;
        let value = input.parse()?;
        Ok(Arg { name, value })
    }
}

fn known(name: &Ident) -> Result<()> {
    if KNOWN.iter().any(|known| name == known) {
        return Ok(());
    }
    // People know these words from the names of the flavors.
    let message = if name == "multi_thread" || name == "current_thread" || name == "local" {
        format!("say `flavor = \"{name}\"`")
    } else {
        format!(
            "unknown argument `{name}`; expected one of `{}`",
            KNOWN.join("`, `")
        )
    };
    Err(Error::new(name.span(), message))
}

/// Reads the arguments; every mistake is reported at its own place.
pub fn parse(tokens: TokenStream, kind: Kind) -> Result<Args> {
    let list = Punctuated::<Arg, Token![,]>::parse_terminated.parse2(tokens)?;
    let mut seen: Vec<&Ident> = Vec::new();
    let mut flavor = None;
    let mut workers: Option<(usize, Span)> = None;
    let mut paused: Option<(bool, Span)> = None;
    let mut unhandled_panic = None;
    let mut runtime_name = None;
    let mut krate = None;
    for Arg { name, value } in &list {
        if seen.contains(&name) {
            return Err(Error::new(name.span(), format!("`{name}` was already set")));
        }
        seen.push(name);
        match name.to_string().as_str() {
            "flavor" => flavor = Some(parse_flavor(value)?),
            "worker_threads" => workers = Some((parse_workers(value)?, name.span())),
            "start_paused" => paused = Some((parse_paused(value)?, name.span())),
            "unhandled_panic" => unhandled_panic = Some(parse_unhandled_panic(value)?),
            "name" => runtime_name = Some(parse_name(value)?),
            _ => krate = Some(parse_crate(value)?),
        }
    }
    let flavor = flavor.unwrap_or(match kind {
        Kind::Main => Flavor::MultiThread,
        Kind::Test => Flavor::CurrentThread,
    });
    if let (Flavor::CurrentThread | Flavor::Local, Some((_, span))) = (flavor, workers) {
        let message = match kind {
            Kind::Main => "`worker_threads` needs `flavor = \"multi_thread\"`",
            Kind::Test => {
                "`worker_threads` needs `flavor = \"multi_thread\"`; the default here is \"current_thread\""
            }
        };
        return Err(Error::new(span, message));
    }
    if let (Flavor::MultiThread, Some((_, span))) = (flavor, paused) {
        let message = "`start_paused` needs `flavor = \"current_thread\"` or `flavor = \"local\"`";
        return Err(Error::new(span, message));
    }
    Ok(Args {
        flavor,
        worker_threads: workers.map(|(n, _)| n),
        start_paused: paused.map(|(paused, _)| paused),
        unhandled_panic,
        name: runtime_name,
        krate,
    })
}

fn parse_flavor(value: &Lit) -> Result<Flavor> {
    let Lit::Str(text) = value else {
        return Err(Error::new(
            value.span(),
            format!("`flavor` is a string: {FLAVORS}"),
        ));
    };
    match text.value().as_str() {
        "multi_thread" => Ok(Flavor::MultiThread),
        "current_thread" => Ok(Flavor::CurrentThread),
        "local" => Ok(Flavor::Local),
        other => {
            let message = format!("no such flavor `{other}`; expected {FLAVORS}");
            Err(Error::new(text.span(), message))
        }
    }
}

fn parse_workers(value: &Lit) -> Result<usize> {
    let wanted = "`worker_threads` is a whole number, at least 1";
    let Lit::Int(number) = value else {
        return Err(Error::new(value.span(), wanted));
    };
    match number.base10_parse::<usize>() {
        Ok(0) | Err(_) => Err(Error::new(number.span(), wanted)),
        Ok(workers) => Ok(workers),
    }
}

fn parse_paused(value: &Lit) -> Result<bool> {
    match value {
        Lit::Bool(paused) => Ok(paused.value),
        _ => Err(Error::new(
            value.span(),
            "`start_paused` is `true` or `false`",
        )),
    }
}

fn parse_unhandled_panic(value: &Lit) -> Result<Ident> {
    let variant = match value {
        Lit::Str(text) if text.value() == "ignore" => "Ignore",
        Lit::Str(text) if text.value() == "shutdown_runtime" => "ShutdownRuntime",
        _ => {
            return Err(Error::new(
                value.span(),
                "`unhandled_panic` is \"ignore\" or \"shutdown_runtime\"",
            ));
        }
    };
    Ok(Ident::new(variant, value.span()))
}

fn parse_name(value: &Lit) -> Result<String> {
    match value {
        Lit::Str(text) => Ok(text.value()),
        _ => Err(Error::new(
            value.span(),
            "`name` is a string: what the runtime is called",
        )),
    }
}

fn parse_crate(value: &Lit) -> Result<Path> {
    let wanted = "`crate` is a path in a string, such as \"::loxley\"";
    match value {
        Lit::Str(text) => text
            .parse_with(Path::parse_mod_style)
            .map_err(|_| Error::new(text.span(), wanted)),
        _ => Err(Error::new(value.span(), wanted)),
    }
}
