//! The attributes `#[loxley::main]` and `#[loxley::test]`.
//!
//! Both turn an `async fn` into a plain one that builds a runtime and runs the body with its
//! `block_on`. Depend on `loxley`, which re-exports them; this crate exists because Cargo wants
//! procedural macros in a package of their own.
//!
//! How an expansion comes to be: `name` finds what the crate is called, `args` reads what stands in the parentheses, `entry` reads the
//! function and writes the new one. Both report every mistake at the token that made it.
//!
//! Rejected: copying the body into a nested `async fn`. Type errors would read a little better, but
//! `self`, arguments and generic parameters, which tokio's attribute lets through for functions other
//! than `main`, would have to be taken apart and passed on.

mod args;
mod entry;
mod name;
mod pattern;

use proc_macro::TokenStream;
use quote::quote;

use crate::entry::Kind;

/// Runs an `async fn` on a runtime of its own; meant for `main`.
///
/// The function loses its `async`; its body runs inside `Runtime::block_on`, so on the thread that
/// called the function and not on a worker. Spawn what should run on the workers.
///
/// | argument | values | default |
/// |---|---|---|
/// | `flavor` | `"multi_thread"`, `"current_thread"`, `"local"` | `"multi_thread"` |
/// | `worker_threads` | a whole number, at least 1; only with `"multi_thread"` | one per core, or `LOXLEY_WORKER_THREADS`, or `TOKIO_WORKER_THREADS` |
/// | `start_paused` | `true`, `false`; not with `"multi_thread"`, and only with the feature `test-util` | `false` |
/// | `unhandled_panic` | `"ignore"`, `"shutdown_runtime"`: what the panic of a task does | `"ignore"` |
/// | `name` | a string: what the runtime is called in reports | no name |
/// | `crate` | the path under which `loxley` is known | its name in the manifest, mostly `"::loxley"` |
///
/// I/O and time are enabled. `"local"` is a `LocalRuntime`: `spawn_local` works everywhere in it.
///
/// # Panics
///
/// The new function panics if the runtime cannot be built.
///
/// # Examples
///
/// ```
/// #[loxley::main(worker_threads = 2)]
/// async fn main() {
///     let answer = loxley::spawn(async { 6 * 7 }).await.unwrap();
///     assert_eq!(answer, 42);
/// }
/// ```
///
/// A program that has renamed the package in its manifest, as in `tokio = { package = "loxley", version = "0.1" }`, need not
/// say so; one that knows it by another path does:
///
/// ```
/// mod runtime {
///     pub use loxley;
/// }
///
/// #[loxley::main(crate = "crate::runtime::loxley")]
/// async fn main() {}
/// ```
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(args, item, Kind::Main, name::in_use())
}

/// Runs an `async fn` as a test, on a runtime of its own.
///
/// Takes the arguments of [`macro@main`], but the default flavor is `"current_thread"`, and with
/// `"multi_thread"` the default is one worker per core, as for `main`. Other test attributes, such as
/// `#[should_panic]` and `#[ignore]`, keep their meaning.
///
/// # Examples
///
/// ```
/// #[loxley::test]
/// async fn six_times_seven_is_42() {
///     assert_eq!(loxley::spawn(async { 6 * 7 }).await.unwrap(), 42);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(args, item, Kind::Test, name::in_use())
}

/// [`macro@main`] for the package that bears tokio's name: what it names is in `tokio`.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn tokio_main(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(args, item, Kind::Main, quote!(tokio))
}

/// [`macro@test`] for the package that bears tokio's name.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn tokio_test(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(args, item, Kind::Test, quote!(tokio))
}

fn expand(
    args: TokenStream,
    item: TokenStream,
    kind: Kind,
    home: proc_macro2::TokenStream,
) -> TokenStream {
    entry::expand(args.into(), item.into(), kind, home).into()
}

/// For `loxley::select!` alone: a pattern without what binds.
#[doc(hidden)]
#[proc_macro]
pub fn select_pattern(pattern: TokenStream) -> TokenStream {
    pattern::without_bindings(pattern.into()).into()
}
