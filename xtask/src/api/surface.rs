//! The public face of some crates: a row for whatever a program can name or rely on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::docs::{Docs, ids, inner, is_public, list, text_of};
use super::signature::{PRIVATE, Writer};
use super::world::{What, World};

const AUTO_TRAITS: [&str; 5] = ["Send", "Sync", "Unpin", "UnwindSafe", "RefUnwindSafe"];
/// The answer of a type whose `Unpin` is that of its fields; the compiler is asked for it in a test.
pub(crate) const PINNED: &str = "Unpin as its fields are";
/// What the compiler implements by itself, or what nobody can ask for.
const SILENT_TRAITS: [&str; 6] = [
    "Drop",
    "Freeze",
    "StructuralPartialEq",
    "TrivialClone",
    "UnsafeUnpin",
    "UseCloned",
];

/// One thing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The type, trait or module that it is shown under.
    pub(crate) home: String,
    pub(crate) kind: &'static str,
    pub(crate) signature: String,
}

/// Everything, by what it is called.
pub(crate) type Surface = BTreeMap<String, Row>;

/// Lists everything that is public.
pub(crate) fn surface(world: &World) -> Surface {
    let mut list = Lister {
        world,
        rows: Surface::new(),
    };
    for public in &world.public {
        list.item(&public.path, &public.what);
    }
    for (number, docs) in world.crates.iter().enumerate() {
        for (kind, it) in docs.items().filter_map(inner) {
            if kind == "impl" && it["blanket_impl"].is_null() {
                list.any_impl(number, it);
            }
        }
    }
    list.rows
}

struct Lister<'a> {
    world: &'a World,
    rows: Surface,
}

impl Lister<'_> {
    /// Two impls may give the same name to two things: both count then.
    fn add(&mut self, name: String, home: &str, kind: &'static str, signature: String) {
        let row = self.rows.entry(name).or_insert_with(|| Row {
            home: home.to_owned(),
            kind,
            signature: signature.clone(),
        });
        let mut parts: Vec<&str> = row.signature.split(" | ").collect();
        if !parts.contains(&&*signature) {
            parts.push(&signature);
            parts.sort_unstable();
            row.signature = parts.join(" | ");
        }
    }

    fn item(&mut self, path: &str, what: &What) {
        let (number, id) = match what {
            What::Own(number, id) => (*number, *id),
            What::Foreign(definition) => {
                return self.add(path.to_owned(), path, "re-export", definition.clone());
            }
        };
        let docs = &self.world.crates[number];
        let Some(item) = docs.item(id) else {
            return;
        };
        let name = docs.definition(id);
        let name = name.and_then(|(definition, _)| self.world.name(&definition));
        if name.as_deref().is_some_and(|name| name != path) {
            let signature = format!("as {}", name.unwrap_or_default());
            return self.add(path.to_owned(), path, "re-export", signature);
        }
        let Some((kind, it)) = inner(item) else {
            return;
        };
        let (kind, signature) = self.described(number, kind, it, item);
        self.add(path.to_owned(), path, kind, signature);
        match kind {
            "struct" => self.fields(number, path, &it["kind"]),
            "enum" => self.variants(number, path, it),
            "trait" => self.trait_items(number, path, it),
            _ => {}
        }
        if matches!(kind, "struct" | "enum") {
            self.auto_traits(number, path, it);
        }
    }

    fn described(
        &self,
        number: usize,
        kind: &str,
        it: &Value,
        item: &Value,
    ) -> (&'static str, String) {
        let writer = Writer::new(self.world, number);
        let open = match list(&item["attrs"]).any(|attr| attr == "non_exhaustive") {
            true => "non-exhaustive",
            false => "",
        };
        let generic = |text: &str| writer.finish(text.to_owned(), &[&it["generics"]]);
        match kind {
            "module" => ("module", String::new()),
            "function" => ("fn", writer.function(it, &[])),
            "struct" => ("struct", generic(open)),
            "enum" => ("enum", generic(open)),
            "trait" => ("trait", generic(&writer.supertraits(&it["bounds"]))),
            "type_alias" => ("type", generic(&writer.ty(&it["type"]))),
            "constant" => ("const", writer.ty(&it["type"])),
            "static" => ("static", writer.ty(&it["type"])),
            "macro" | "proc_macro" => ("macro", String::new()),
            _ => ("item", kind.to_owned()),
        }
    }

    fn fields(&mut self, number: usize, path: &str, kind: &Value) {
        let docs = &self.world.crates[number];
        let writer = Writer::new(self.world, number);
        let fields = ids(&kind["plain"]["fields"]).chain(ids(&kind["tuple"]));
        for item in fields.filter_map(|id| docs.item(id)) {
            let Some(("struct_field", ty)) = inner(item) else {
                continue;
            };
            if !is_public(item) {
                continue;
            }
            let name = format!("{path}::{}", text_of(&item["name"]));
            self.add(name, path, "field", writer.finish(writer.ty(ty), &[]));
        }
    }

    fn variants(&mut self, number: usize, path: &str, it: &Value) {
        let docs = &self.world.crates[number];
        let writer = Writer::new(self.world, number);
        for item in ids(&it["variants"]).filter_map(|id| docs.item(id)) {
            let Some(("variant", variant)) = inner(item) else {
                continue;
            };
            let kind = &variant["kind"];
            let fields = ids(&kind["tuple"]).chain(ids(&kind["struct"]["fields"]));
            let fields = fields.filter_map(|id| docs.item(id)?["inner"].get("struct_field"));
            let fields: Vec<String> = fields.map(|ty| writer.ty(ty)).collect();
            let name = format!("{path}::{}", text_of(&item["name"]));
            let signature = writer.finish(format!("({})", fields.join(", ")), &[&it["generics"]]);
            self.add(name, path, "variant", signature);
        }
    }

    fn trait_items(&mut self, number: usize, path: &str, it: &Value) {
        let docs = &self.world.crates[number];
        let writer = Writer::new(self.world, number);
        for item in ids(&it["items"]).filter_map(|id| docs.item(id)) {
            let name = format!("{path}::{}", text_of(&item["name"]));
            match inner(item) {
                Some(("function", function)) => {
                    let signature = writer.function(function, &[&it["generics"]]);
                    let given = match function["has_body"] == true {
                        true => "provided",
                        false => "required",
                    };
                    self.add(name, path, "fn", format!("{given} {signature}"));
                }
                Some((_, other)) => {
                    let bounds = writer.supertraits(&other["bounds"]);
                    self.add(name, path, "associated", bounds);
                }
                None => {}
            }
        }
    }

    fn auto_traits(&mut self, number: usize, path: &str, it: &Value) {
        let docs = &self.world.crates[number];
        let writer = Writer::new(self.world, number);
        let mut answers = AUTO_TRAITS.map(|name| format!("!{name}"));
        for (_, it) in ids(&it["impls"]).filter_map(|id| inner(docs.item(id)?)) {
            let Some(at) = AUTO_TRAITS.iter().position(|name| is_trait(it, name)) else {
                continue;
            };
            if it["is_negative"] == false {
                let head = format!("{} for {}", AUTO_TRAITS[at], writer.ty(&it["for"]));
                let text = writer.finish(head, &[&it["generics"]]);
                let bounds = text.split_once(" where ");
                answers[at] = match bounds {
                    Some((_, bounds)) if bounds.contains("PinnedFieldsOf") => PINNED.to_owned(),
                    Some((_, bounds)) => format!("{} where {bounds}", AUTO_TRAITS[at]),
                    None => AUTO_TRAITS[at].to_owned(),
                };
            }
        }
        let name = format!("{path}: auto traits");
        self.add(name, path, "auto traits", answers.join("; "));
    }

    fn any_impl(&mut self, number: usize, it: &Value) {
        let known = |names: &[&str]| names.iter().any(|name| is_trait(it, name));
        if it["trait"].is_null() {
            self.inherent(number, it);
        } else if it["is_negative"] == false && !known(&AUTO_TRAITS) && !known(&SILENT_TRAITS) {
            self.trait_impl(number, it);
        }
    }

    fn inherent(&mut self, number: usize, it: &Value) {
        let docs = &self.world.crates[number];
        let Some(home) = self.own_name(docs, &it["for"]) else {
            return;
        };
        let writer = Writer::new(self.world, number).inside(&it["for"]);
        for item in ids(&it["items"]).filter_map(|id| docs.item(id)) {
            if !is_public(item) {
                continue;
            }
            let name = format!("{home}::{}", text_of(&item["name"]));
            match inner(item) {
                Some(("function", function)) => {
                    let signature = writer.function(function, &[&it["generics"]]);
                    self.add(name, &home, "fn", signature);
                }
                Some(("assoc_const", constant)) => {
                    let signature = writer.ty(&constant["type"]);
                    self.add(name, &home, "const", signature);
                }
                _ => {}
            }
        }
    }

    fn trait_impl(&mut self, number: usize, it: &Value) {
        let docs = &self.world.crates[number];
        let writer = Writer::new(self.world, number);
        let of = writer.path(&it["trait"]);
        let head = format!("impl {of} for {}", writer.ty(&it["for"]));
        // The root of the type is looked at by itself: a private future is written as what it yields.
        let path = it["for"].get("resolved_path");
        if head.contains(PRIVATE) || path.is_some_and(|path| writer.path(path).contains(PRIVATE)) {
            return;
        }
        let inside = writer.inside(&it["for"]);
        let items = ids(&it["items"]).filter_map(|id| docs.item(id));
        let types = items.filter_map(|item| match inner(item) {
            Some(("assoc_type", ty)) => {
                let name = text_of(&item["name"]);
                Some(format!("{name} = {}", inside.ty(&ty["type"])))
            }
            _ => None,
        });
        let types = types.collect::<Vec<_>>().join(", ");
        let text = writer.finish(format!("{head} {{{types}}}"), &[&it["generics"]]);
        let (head, signature) = text.split_once(" {").unwrap_or((&text, ""));
        let home = self.own_name(docs, &it["for"]);
        let home = home.or_else(|| self.own_path(docs, &it["trait"]));
        self.add(
            head.to_owned(),
            &home.unwrap_or_default(),
            "impl",
            format!("{{{signature}"),
        );
    }

    /// The name of the type behind references, if it is ours and public.
    fn own_name(&self, docs: &Docs, ty: &Value) -> Option<String> {
        if let Some(it) = ty.get("borrowed_ref") {
            return self.own_name(docs, &it["type"]);
        }
        self.own_path(docs, ty.get("resolved_path")?)
    }

    fn own_path(&self, docs: &Docs, path: &Value) -> Option<String> {
        let (definition, _) = docs.definition(path["id"].as_u64()?)?;
        let root = definition.split("::").next().unwrap_or_default();
        self.world.crate_of(root)?;
        self.world.name(&definition)
    }
}

fn is_trait(it: &Value, name: &str) -> bool {
    text_of(&it["trait"]["path"]).rsplit("::").next() == Some(name)
}
