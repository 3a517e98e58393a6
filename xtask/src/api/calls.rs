//! A program that calls everything that is the same in both crates, with the types that tokio declares.
//!
//! For each function and method a wrapper is written, with tokio's parameters, bounds and argument types; it calls the
//! function and gives the result the type that tokio says. The text compiles with `k` as tokio and with `k` as loxley. So the
//! compiler confirms what the comparison of signatures says, lifetimes included, which that leaves out. Functions whose types
//! nobody can write, or that have parameters which are constants, are not called.

use std::collections::BTreeSet;

use serde_json::Value;

use super::docs::{Docs, ids, inner, is_public, list, text_of};
use super::paths;
use super::signature::{PARAMETER, PRIVATE, Writer};
use super::world::{What, World};

const BEGIN: &str = "fn output<R>(_: impl ::core::future::Future<Output = R>) {}\n";

/// The lifetime that an impl does not name.
const ANY: &str = "'any";

/// The body of a module in which tokio's names and tokio-util's stand where loxley has them.
pub(crate) const TOKIO: &str = "\
        pub use ::tokio::*;
        pub mod sync {
            pub use ::tokio::sync::*;
            pub use ::tokio_util::sync::*;
        }
        pub mod task {
            pub use ::tokio::task::*;
            pub use ::tokio_util::task::*;
        }
        pub mod time {
            pub use ::tokio::time::*;
            pub use ::tokio_util::time::*;
        }
        pub use ::tokio_util::compat;
";

/// Holds the program twice.
pub(crate) fn library() -> String {
    format!(
        "\
#![allow(warnings)]

mod with_tokio {{
    mod k {{
{TOKIO}    }}
    include!(\"calls.rs\");
}}

mod with_loxley {{
    use ::loxley as k;
    include!(\"calls.rs\");
}}
"
    )
}

/// The program's text, and how many calls it makes.
pub(crate) fn program(world: &World, same: &BTreeSet<String>) -> (String, usize) {
    let mut calls = Calls {
        world,
        same,
        texts: Vec::new(),
    };
    for public in &world.public {
        if let What::Own(number, id) = public.what {
            calls.item(&public.path, number, id);
        }
    }
    for (number, docs) in world.crates.iter().enumerate() {
        for (kind, it) in docs.items().filter_map(inner) {
            if kind == "impl" && it["trait"].is_null() {
                calls.methods(number, docs, it);
            }
        }
    }
    let text = paths::writable(&calls.texts.concat());
    (format!("{BEGIN}{text}"), calls.texts.len())
}

struct Calls<'a> {
    world: &'a World,
    same: &'a BTreeSet<String>,
    texts: Vec<String>,
}

impl Calls<'_> {
    fn writer(&self, number: usize) -> Writer<'_> {
        Writer::new(self.world, number).at_home("k::")
    }

    fn item(&mut self, path: &str, number: usize, id: u64) {
        let docs = &self.world.crates[number];
        match docs.item(id).and_then(inner) {
            Some(("function", function)) if self.same.contains(path) => {
                self.add(number, &format!("k::{path}"), function, &[], None);
            }
            Some(("trait", it)) => {
                let items = ids(&it["items"]).filter_map(|id| docs.item(id));
                for item in items {
                    let name = text_of(&item["name"]);
                    let Some(("function", function)) = inner(item) else {
                        continue;
                    };
                    if self.same.contains(&format!("{path}::{name}")) {
                        let callee = format!("<Self as k::{path}>::{name}");
                        self.add(number, &callee, function, &[], Some(Of::Trait(path)));
                    }
                }
            }
            _ => {}
        }
    }

    fn methods(&mut self, number: usize, docs: &Docs, it: &Value) {
        // An impl for any lifetime has one, and the same one wherever it says `Self`.
        let of = self.writer(number).ty(&it["for"]).replace("'_", ANY);
        let Some(home) = of.strip_prefix("k::") else {
            return;
        };
        let home = home.split('<').next().unwrap_or_default();
        let items = ids(&it["items"]).filter_map(|id| docs.item(id));
        for item in items.filter(|item| is_public(item)) {
            let name = text_of(&item["name"]);
            let Some(("function", function)) = inner(item) else {
                continue;
            };
            if self.same.contains(&format!("{home}::{name}")) {
                let callee = format!("<{of}>::{name}");
                self.add(
                    number,
                    &callee,
                    function,
                    &[&it["generics"]],
                    Some(Of::Type(&of)),
                );
            }
        }
    }

    /// Adds a wrapper, unless its types cannot be written outside.
    fn add(
        &mut self,
        number: usize,
        callee: &str,
        function: &Value,
        outer: &[&Value],
        of: Option<Of<'_>>,
    ) {
        let writer = self.writer(number);
        let generics = outer.iter().copied().chain([&function["generics"]]);
        let generics: Vec<&Value> = generics.collect();
        let (mut names, mut bounds) = writer.parameters(&generics);
        if let Some(Of::Trait(path)) = of {
            names.push("Self".to_owned());
            bounds.push(format!("Self: k::{path}"));
            if !bounds.contains(&"Self: core::marker::Sized".to_owned()) {
                bounds.push("Self: ?Sized".to_owned());
            }
        }
        if matches!(of, Some(Of::Type(this)) if this.contains(ANY)) {
            names.push(ANY.to_owned());
        }
        // Lifetimes first, and those that are left out are not declared.
        names.retain(|name| name != "'_");
        names.sort_by_key(|name| !name.starts_with('\''));
        let inputs = list(&function["sig"]["inputs"]).map(|input| writer.ty(&input[1]));
        let inputs = inputs.enumerate().map(|(at, ty)| format!("a{at}: {ty}"));
        let output = output(&writer, function);
        // What a signature implies of its lifetimes by its result, the wrapper implies by a parameter.
        let implied = output.writable();
        let implied = implied.map(|ty| format!("_: ::core::marker::PhantomData<{ty}>"));
        let text = format!(
            "fn c{}<{}>({}) where {} {{ {} }}\n",
            self.texts.len(),
            names.join(", "),
            inputs.chain(implied).collect::<Vec<_>>().join(", "),
            bounds.join(", "),
            body(callee, function, &output)
        );
        let this = match of {
            Some(Of::Type(this)) => this,
            _ => "This",
        };
        let text = text.replace("Self", this).replace(PARAMETER, "");
        let is_const = |it: &Value| list(&it["params"]).any(|it| it["kind"].get("const").is_some());
        if !text.contains(PRIVATE) && !generics.iter().any(|it| is_const(it)) {
            self.texts.push(text);
        }
    }
}

/// What a function gives.
enum Output {
    Now(String),
    Awaited(String),
}

impl Output {
    /// The type; `None` if it has no name.
    fn writable(&self) -> Option<&str> {
        let (Output::Now(ty) | Output::Awaited(ty)) = self;
        (!ty.contains("impl ")).then_some(ty)
    }
}

fn output(writer: &Writer<'_>, function: &Value) -> Output {
    let output = match &function["sig"]["output"] {
        Value::Null => "()".to_owned(),
        output => writer.ty(output),
    };
    match output.strip_prefix("async ") {
        Some(awaited) => Output::Awaited(awaited.to_owned()),
        None if function["header"]["is_async"] == true => Output::Awaited(output),
        None => Output::Now(output),
    }
}

/// The call, and what is known of its result.
fn body(callee: &str, function: &Value, output: &Output) -> String {
    let inputs = list(&function["sig"]["inputs"]).enumerate();
    let arguments = inputs.map(|(at, _)| format!("a{at}"));
    let mut call = format!("{callee}({})", arguments.collect::<Vec<_>>().join(", "));
    if function["header"]["is_unsafe"] == true {
        call = format!("unsafe {{ {call} }}");
    }
    match (output, output.writable()) {
        (Output::Awaited(_), Some(ty)) => format!("output::<{ty}>({call});"),
        (Output::Now(_), Some(ty)) => format!("let _: {ty} = {call};"),
        (_, None) => format!("let _ = {call};"),
    }
}

/// What a method belongs to.
#[derive(Clone, Copy)]
enum Of<'a> {
    Type(&'a str),
    Trait(&'a str),
}
