//! From an `async fn` to a plain one around `block_on`.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Path, Result, Signature, Visibility};

use crate::args::{self, Args, Flavor};

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Main,
    Test,
}

/// A function whose body is left as it was written: it is the compiler that should judge it.
struct Function {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Function> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = match input.parse()? {
            TokenTree::Group(body) => body,
            other => {
                return Err(Error::new(
                    other.span(),
                    "expected the body of the function",
                ));
            }
        };
        Ok(Function {
            attrs,
            vis,
            sig,
            body,
        })
    }
}

/// The new function; or the old one beside a `compile_error!`, so that an editor still knows its name.
///
/// `home` is the path of the runtime's crate, unless the arguments name another.
pub fn expand(args: TokenStream, item: TokenStream, kind: Kind, home: TokenStream) -> TokenStream {
    try_expand(args, item.clone(), kind, home).unwrap_or_else(|error| {
        let mut tokens = error.into_compile_error();
        tokens.extend(item);
        tokens
    })
}

fn try_expand(
    args: TokenStream,
    item: TokenStream,
    kind: Kind,
    home: TokenStream,
) -> Result<TokenStream> {
    let function = syn::parse2::<Function>(item)?;
    check(&function, kind)?;
    Ok(write(function, &args::parse(args, kind)?, kind, home))
}

fn check(function: &Function, kind: Kind) -> Result<()> {
    let sig = &function.sig;
    if sig.asyncness.is_none() {
        return Err(Error::new(
            sig.fn_token.span,
            "this function must be `async`",
        ));
    }
    let is_main = kind == Kind::Main && sig.ident == "main";
    if !sig.inputs.is_empty() && (is_main || kind == Kind::Test) {
        let who = if is_main { "`main`" } else { "a test" };
        let message = format!("{who} takes no arguments");
        return Err(Error::new_spanned(&sig.inputs, message));
    }
    if kind == Kind::Test {
        if let Some(second) = function.attrs.iter().find(|attr| is_test(attr.path())) {
            let message = "a second test attribute would run the test twice; remove it";
            return Err(Error::new_spanned(second, message));
        }
    }
    Ok(())
}

/// Whether the path ends in `test`, as `test`, `core::prelude::v1::test` or `loxley::test` do.
fn is_test(path: &Path) -> bool {
    path.segments
        .last()
        .is_some_and(|last| last.ident == "test" && last.arguments.is_none())
}

fn write(function: Function, args: &Args, kind: Kind, home: TokenStream) -> TokenStream {
    let Function {
        attrs,
        vis,
        mut sig,
        body,
    } = function;
    sig.asyncness = None;
    let krate = match &args.krate {
        Some(path) => path.to_token_stream(),
        None => home,
    };
    let build = builder(&krate, args);
    let test = (kind == Kind::Test).then(|| quote!(#[::core::prelude::v1::test]));
    // A wrong type of the body is reported where the body ends, not at the attribute.
    let run = quote_spanned!(last_span(&body)=> runtime.block_on(body));
    quote! {
        #test
        #(#attrs)*
        #vis #sig {
            let body = async #body;
            let runtime = #build;
            #run
        }
    }
}

fn builder(krate: &TokenStream, args: &Args) -> TokenStream {
    let new = match args.flavor {
        Flavor::MultiThread => quote!(new_multi_thread()),
        Flavor::CurrentThread | Flavor::Local => quote!(new_current_thread()),
    };
    let build = match args.flavor {
        Flavor::Local => {
            quote!(build_local(#krate::runtime::LocalOptions::default()))
        }
        _ => quote!(build()),
    };
    let workers = args.worker_threads.map(|n| quote!(.worker_threads(#n)));
    let paused = args
        .start_paused
        .map(|paused| quote!(.start_paused(#paused)));
    let panics = args.unhandled_panic.as_ref();
    let panics = panics.map(|it| quote!(.unhandled_panic(#krate::runtime::UnhandledPanic::#it)));
    let name = args.name.as_ref().map(|name| quote!(.name(#name)));
    quote! {
        #krate::runtime::Builder::#new #workers #paused #panics #name .enable_all()
            .#build.expect("the runtime could not be built")
    }
}

fn last_span(body: &Group) -> Span {
    body.stream()
        .into_iter()
        .last()
        .map_or_else(|| body.span_close(), |token| token.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expands, and gives the message of the error and the source that it points at.
    fn mistake(kind: Kind, args: &str, item: &str) -> (String, String) {
        let error = try_expand(
            args.parse().expect("tokens"),
            item.parse().expect("tokens"),
            kind,
            quote!(::loxley),
        )
        .expect_err("a mistake went unnoticed");
        let place = error.span().source_text().unwrap_or_default();
        (error.to_string(), place)
    }

    fn expansion(kind: Kind, args: &str, item: &str) -> String {
        try_expand(
            args.parse().expect("tokens"),
            item.parse().expect("tokens"),
            kind,
            quote!(::loxley),
        )
        .expect("no mistake")
        .to_string()
    }

    #[test]
    fn the_runtime_is_looked_for_at_home_unless_the_arguments_name_another_place() {
        let expansion = |args: &str| {
            let (args, item) = (args.parse(), "async fn main() {}".parse());
            let (args, item) = (args.expect("tokens"), item.expect("tokens"));
            expand(args, item, Kind::Main, quote!(tokio)).to_string()
        };
        assert!(expansion("").contains("tokio :: runtime :: Builder"));
        let other = expansion("crate = \"::loxley\"");
        assert!(other.contains(":: loxley :: runtime") && !other.contains("tokio"));
    }

    #[test]
    fn every_mistake_is_reported_at_the_token_that_made_it() {
        use Kind::{Main, Test};
        let ok = "async fn main() {}";
        let cases = [
            (Main, "", "fn main() {}", "must be `async`", "fn"),
            (
                Main,
                "",
                "async fn main(x: u8) {}",
                "`main` takes no arguments",
                "x: u8",
            ),
            (
                Test,
                "",
                "async fn law(x: u8) {}",
                "a test takes no arguments",
                "x: u8",
            ),
            (
                Test,
                "",
                "#[test] async fn law() {}",
                "a second test attribute",
                "#[test]",
            ),
            (
                Test,
                "",
                "#[loxley::test] async fn law() {}",
                "a second test attribute",
                "#[loxley::test]",
            ),
            (
                Main,
                "threads = 2",
                ok,
                "unknown argument `threads`",
                "threads",
            ),
            (
                Main,
                "multi_thread",
                ok,
                "say `flavor = \"multi_thread\"`",
                "multi_thread",
            ),
            (Main, "flavor", ok, "`flavor` wants a value", "flavor"),
            (Main, "flavor = 1", ok, "`flavor` is a string", "1"),
            (
                Main,
                "flavor = \"fast\"",
                ok,
                "no such flavor `fast`",
                "\"fast\"",
            ),
            (Main, "worker_threads = 0", ok, "at least 1", "0"),
            (Main, "worker_threads = -1", ok, "at least 1", "-1"),
            (
                Main,
                "worker_threads = \"2\"",
                ok,
                "a whole number",
                "\"2\"",
            ),
            (
                Main,
                "worker_threads = 1, worker_threads = 2",
                ok,
                "already set",
                "worker_threads",
            ),
            (
                Main,
                "flavor = \"current_thread\", worker_threads = 2",
                ok,
                "needs `flavor = \"multi_thread\"`",
                "worker_threads",
            ),
            (
                Test,
                "worker_threads = 2",
                ok,
                "the default here is \"current_thread\"",
                "worker_threads",
            ),
            (
                Main,
                "start_paused = true",
                ok,
                "needs `flavor = \"current_thread\"`",
                "start_paused",
            ),
            (
                Main,
                "flavor = \"local\", worker_threads = 2",
                ok,
                "needs `flavor = \"multi_thread\"`",
                "worker_threads",
            ),
            (Main, "local", ok, "say `flavor = \"local\"`", "local"),
            (
                Main,
                "unhandled_panic = \"abort\"",
                ok,
                "\"ignore\" or \"shutdown_runtime\"",
                "\"abort\"",
            ),
            (Main, "name = 5", ok, "`name` is a string", "5"),
            (Test, "start_paused = 1", ok, "`true` or `false`", "1"),
            (Main, "crate = \"1\"", ok, "`crate` is a path", "\"1\""),
        ];
        for (kind, args, item, message, place) in cases {
            let (found, at) = mistake(kind, args, item);
            assert!(found.contains(message), "{args:?} {item:?} says {found:?}");
            assert_eq!(at, place, "{args:?} {item:?} points at the wrong place");
        }
    }

    #[test]
    fn the_defaults_are_those_of_tokio() {
        let main = expansion(Kind::Main, "", "async fn main() {}");
        assert!(main.contains("new_multi_thread") && !main.contains("worker_threads"));
        let test = expansion(Kind::Test, "", "async fn law() {}");
        assert!(test.contains("new_current_thread") && test.contains("prelude :: v1 :: test"));
    }

    #[test]
    fn arguments_reach_the_builder() {
        let args = "flavor = \"multi_thread\", worker_threads = 3, crate = \"tokio\",";
        let test = expansion(
            Kind::Test,
            args,
            "#[should_panic] pub async fn law() -> u8 { 1 }",
        );
        assert!(
            test.contains("tokio :: runtime :: Builder :: new_multi_thread ()"),
            "{test}"
        );
        assert!(test.contains(". worker_threads (3usize)"), "{test}");
        assert!(
            test.contains("# [should_panic] pub fn law () -> u8"),
            "{test}"
        );
    }

    #[test]
    fn a_test_may_start_with_its_clock_paused() {
        let test = expansion(Kind::Test, "start_paused = true", "async fn law() {}");
        assert!(test.contains(". start_paused (true)"), "{test}");
    }

    #[test]
    fn a_local_runtime_is_built_by_a_door_of_its_own() {
        let args = "flavor = \"local\", unhandled_panic = \"shutdown_runtime\", name = \"one\"";
        let main = expansion(Kind::Main, args, "async fn main() {}");
        for part in [
            "Builder :: new_current_thread ()",
            ". unhandled_panic (:: loxley :: runtime :: UnhandledPanic :: ShutdownRuntime)",
            ". name (\"one\")",
            ". build_local (:: loxley :: runtime :: LocalOptions :: default ())",
        ] {
            assert!(main.contains(part), "{part} is not in {main}");
        }
    }

    #[test]
    fn a_function_that_is_not_main_may_take_arguments() {
        let run = expansion(Kind::Main, "", "async fn run(self, x: u8) -> u8 { x }");
        assert!(run.contains("fn run (self , x : u8) -> u8"), "{run}");
    }

    #[test]
    fn a_mistake_leaves_the_function_in_place() {
        let tokens = expand(
            TokenStream::new(),
            "fn main() {}".parse().expect("tokens"),
            Kind::Main,
            quote!(::loxley),
        );
        let tokens = tokens.to_string();
        assert!(
            tokens.contains("compile_error") && tokens.ends_with("fn main () { }"),
            "{tokens}"
        );
    }
}
