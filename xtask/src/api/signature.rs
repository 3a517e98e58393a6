//! Types and functions as text that can be compared.
//!
//! What differs only in spelling comes out equal: parameters are numbered in the order of their use, bounds are a
//! sorted set wherever they were written, an `async fn` equals a function that returns `impl Future`, or a future
//! whose type has no public name, with the same output. Lifetimes are left out, but for `'static`: whether they are
//! right is a matter for the compiler, which sees both crates in the generated calls.

use std::collections::BTreeSet;

use serde_json::Value;

use super::docs::{inner, list, text_of};
use super::world::{What, World};

/// Stands before the name of a parameter, until it gets its number.
pub(crate) const PARAMETER: char = '\u{e000}';
/// Stands before the path of something that has no public name.
pub(crate) const PRIVATE: char = '\u{e001}';

/// Writes what one crate says.
#[derive(Debug, Clone)]
pub(crate) struct Writer<'a> {
    world: &'a World,
    number: usize,
    /// The type of the impl, which is written as `Self`.
    this: Option<String>,
    /// What stands before the names of our own crates.
    home: &'static str,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(world: &'a World, number: usize) -> Self {
        Writer {
            world,
            number,
            this: None,
            home: "",
        }
    }

    /// The same, for text that compiles where `home` is the crate.
    pub(crate) fn at_home(self, home: &'static str) -> Self {
        Writer { home, ..self }
    }

    /// Lifetimes are for the compiler: they are in what compiles, and no matter of comparison, but for `'static`.
    fn keeps(&self, lifetime: &str) -> bool {
        lifetime == "'static" || (!self.home.is_empty() && !lifetime.is_empty())
    }

    /// The same inside an impl for that type.
    pub(crate) fn inside(&self, this: &Value) -> Self {
        Writer {
            this: Some(self.ty(this)),
            ..self.clone()
        }
    }

    /// A function, with the parameters of the impl that it stands in.
    pub(crate) fn function(&self, function: &Value, outer: &[&Value]) -> String {
        let (header, sig) = (&function["header"], &function["sig"]);
        let mut text = String::new();
        for word in ["const", "unsafe"] {
            if header[format!("is_{word}")] == true {
                text += &format!("{word} ");
            }
        }
        let inputs = list(&sig["inputs"]).map(|input| self.ty(&input[1]));
        text += &format!("fn({})", inputs.collect::<Vec<_>>().join(", "));
        let output = match &sig["output"] {
            Value::Null => "()".to_owned(),
            output => self.ty(output),
        };
        if header["is_async"] == true {
            text += &format!(" -> async {output}");
        } else if output != "()" {
            text += &format!(" -> {output}");
        }
        let generics = outer.iter().copied().chain([&function["generics"]]);
        self.finish(text, &generics.collect::<Vec<_>>())
    }

    /// Adds the bounds and numbers the parameters.
    pub(crate) fn finish(&self, text: String, generics: &[&Value]) -> String {
        let (names, bounds) = self.parameters(generics);
        numbered(&text, names, &bounds)
    }

    /// The names of the parameters, and the bounds; for text that keeps the names.
    pub(crate) fn parameters(&self, generics: &[&Value]) -> (Vec<String>, Vec<String>) {
        let mut bounds = BTreeSet::new();
        let mut names = Vec::new();
        for generics in generics {
            self.bounds(generics, &mut names, &mut bounds);
        }
        (names, bounds.into_iter().collect())
    }

    fn bounds(&self, generics: &Value, names: &mut Vec<String>, into: &mut BTreeSet<String>) {
        let add = |into: &mut BTreeSet<String>, subject: &str, bounds: &Value| {
            for bound in list(bounds).filter_map(|bound| self.bound(bound)) {
                into.insert(format!("{subject}: {bound}"));
            }
        };
        for parameter in list(&generics["params"]) {
            let kind = &parameter["kind"];
            if let Some(lifetime) = kind.get("lifetime") {
                let name = text_of(&parameter["name"]);
                if self.keeps(name) {
                    let outlives = list(&lifetime["outlives"]).map(text_of);
                    into.extend(outlives.map(|other| format!("{name}: {other}")));
                    names.push(name.to_owned());
                }
                continue;
            }
            if kind["type"]["is_synthetic"] == true {
                continue;
            }
            let name = format!("{PARAMETER}{}", text_of(&parameter["name"]));
            add(into, &name, &kind["type"]["bounds"]);
            names.push(name);
        }
        for predicate in list(&generics["where_predicates"]) {
            let predicate = &predicate["bound_predicate"];
            if !predicate.is_null() {
                add(into, &self.ty(&predicate["type"]), &predicate["bounds"]);
            }
        }
    }

    /// `None` for what does not bind the user: lifetimes, and traits without a public name.
    fn bound(&self, bound: &Value) -> Option<String> {
        if let Some(lifetime) = bound["outlives"].as_str() {
            return self.keeps(lifetime).then(|| lifetime.to_owned());
        }
        let bound = &bound["trait_bound"];
        let path = &bound["trait"];
        if path.is_null() || self.world.is_private(&self.definition(path)) {
            return None;
        }
        let maybe = match bound["modifier"] == "maybe" {
            true => "?",
            false => "",
        };
        Some(format!("{maybe}{}", self.path(path)))
    }

    fn all_bounds(&self, bounds: &Value) -> String {
        let bounds: BTreeSet<String> = list(bounds).filter_map(|it| self.bound(it)).collect();
        bounds.into_iter().collect::<Vec<_>>().join(" + ")
    }

    /// The traits that a trait stands on.
    pub(crate) fn supertraits(&self, bounds: &Value) -> String {
        self.all_bounds(bounds)
    }

    pub(crate) fn ty(&self, ty: &Value) -> String {
        let Some((kind, it)) = ty.as_object().and_then(|ty| ty.iter().next()) else {
            return "_".to_owned();
        };
        let text = match kind.as_str() {
            "resolved_path" => self.resolved(it),
            "generic" if it == "Self" => "Self".to_owned(),
            "generic" => format!("{PARAMETER}{}", text_of(it)),
            "primitive" => text_of(it).to_owned(),
            "tuple" => self.tuple(it),
            "slice" => format!("[{}]", self.ty(it)),
            "array" => format!("[{}; {}]", self.ty(&it["type"]), text_of(&it["len"])),
            "borrowed_ref" => self.reference("&", it),
            "raw_pointer" => self.reference("*", it),
            "impl_trait" => self
                .future_of(it)
                .unwrap_or_else(|| format!("impl {}", self.all_bounds(it))),
            "dyn_trait" => {
                let traits = list(&it["traits"]).map(|it| self.path(&it["trait"]));
                let traits: BTreeSet<String> = traits.collect();
                let traits = Vec::from_iter(traits).join(" + ");
                match traits.contains(" + ") {
                    true => format!("(dyn {traits})"),
                    false => format!("dyn {traits}"),
                }
            }
            "qualified_path" => self.qualified(it),
            "function_pointer" => {
                let inputs = list(&it["sig"]["inputs"]).map(|input| self.ty(&input[1]));
                let inputs = inputs.collect::<Vec<_>>().join(", ");
                format!("fn({inputs}) -> {}", self.ty(&it["sig"]["output"]))
            }
            other => format!("<{other}>"),
        };
        match &self.this {
            Some(this) if *this == text => "Self".to_owned(),
            _ => text,
        }
    }

    fn tuple(&self, types: &Value) -> String {
        let types = list(types).map(|it| self.ty(it));
        format!("({})", types.collect::<Vec<_>>().join(", "))
    }

    fn reference(&self, sign: &str, it: &Value) -> String {
        let lifetime = match text_of(&it["lifetime"]) {
            lifetime if self.keeps(lifetime) => format!("{lifetime} "),
            _ => String::new(),
        };
        let mutable = match it["is_mutable"] == true {
            true => "mut ",
            false if sign == "*" => "const ",
            false => "",
        };
        format!("{sign}{lifetime}{mutable}{}", self.ty(&it["type"]))
    }

    fn qualified(&self, it: &Value) -> String {
        let this = self.ty(&it["self_type"]);
        let name = text_of(&it["name"]);
        match &it["trait"] {
            Value::Null => format!("{this}::{name}"),
            path => format!("<{this} as {}>::{name}", self.path(path)),
        }
    }

    /// The output, if this is `impl Future`.
    fn future_of(&self, bounds: &Value) -> Option<String> {
        list(bounds).find_map(|bound| {
            let path = &bound["trait_bound"]["trait"];
            let constraints = &path["args"]["angle_bracketed"]["constraints"];
            let output = list(constraints).find(|it| it["name"] == "Output")?;
            let is_future = self.path(path).starts_with("core::future::future::Future<");
            is_future.then(|| format!("async {}", self.ty(&output["binding"]["equality"]["type"])))
        })
    }

    fn resolved(&self, path: &Value) -> String {
        let text = self.path(path);
        if text.starts_with(PRIVATE) {
            if let Some(output) = self.private_future(path) {
                return format!("async {output}");
            }
        }
        text
    }

    /// The output, if this is a future whose type nobody can name.
    fn private_future(&self, path: &Value) -> Option<String> {
        let What::Own(number, id) = self.world.resolve(self.number, path["id"].as_u64()?)? else {
            return None;
        };
        let docs = &self.world.crates[number];
        let (_, item) = docs.item(id).and_then(inner)?;
        let impls = list(&item["impls"]).filter_map(|id| docs.item(id.as_u64()?));
        let inside = Writer::new(self.world, number);
        for (_, it) in impls.filter_map(inner) {
            if it["trait"]["path"] == "Future" || it["trait"]["path"] == "future::Future" {
                let items = list(&it["items"]).filter_map(|id| docs.item(id.as_u64()?));
                let output = items
                    .filter_map(inner)
                    .find(|(kind, _)| *kind == "assoc_type")?;
                let output = inside.ty(&output.1["type"]);
                return Some(self.substituted(output, &inside, &it["for"], path));
            }
        }
        None
    }

    /// Puts the arguments of the type in use for the parameters of the impl.
    fn substituted(&self, output: String, inside: &Writer, this: &Value, used: &Value) -> String {
        let types = |path: &'_ Value, writer: &Writer| -> Vec<String> {
            let args = &path["args"]["angle_bracketed"]["args"];
            let args = list(args).filter_map(|arg| arg.get("type"));
            args.map(|arg| writer.ty(arg)).collect()
        };
        let from = types(&this["resolved_path"], inside);
        let to = types(used, self);
        let pairs = from.into_iter().zip(to).collect::<Vec<_>>();
        map_names(&output, |name| {
            let pair = pairs.iter().find(|(from, _)| from == name);
            pair.map(|(_, to)| to.clone())
        })
    }

    /// A path with its arguments, by its public name.
    pub(crate) fn path(&self, path: &Value) -> String {
        let definition = self.definition(path);
        let arguments = self.arguments(&path["args"]);
        if definition == "std::io::error::Result" {
            let arguments = arguments.strip_suffix('>').unwrap_or(&arguments);
            return format!("core::result::Result{arguments}, std::io::error::Error>");
        }
        let root = definition.split("::").next().unwrap_or_default();
        let name = match self.world.name(&definition) {
            Some(name) if self.world.crate_of(root).is_some() => format!("{}{name}", self.home),
            Some(name) => name,
            None => {
                let last = definition.rsplit("::").next();
                format!("{PRIVATE}{}", last.unwrap_or_default())
            }
        };
        name + &arguments
    }

    fn definition(&self, path: &Value) -> String {
        let id = path["id"].as_u64().unwrap_or(u64::MAX);
        let docs = &self.world.crates[self.number];
        match docs.definition(id) {
            Some((definition, _)) => definition,
            // What stands inside a function has no path.
            None if docs.item(id).is_some() => format!("{}::{}", docs.name, text_of(&path["path"])),
            None => text_of(&path["path"]).to_owned(),
        }
    }

    fn arguments(&self, args: &Value) -> String {
        if let Some(it) = args.get("parenthesized") {
            let output = match &it["output"] {
                Value::Null => "()".to_owned(),
                output => self.ty(output),
            };
            return format!("({}) -> {output}", self.list_of(&it["inputs"]));
        }
        let Some(it) = args.get("angle_bracketed") else {
            return String::new();
        };
        let mut texts: Vec<String> = list(&it["args"])
            .filter_map(|arg| match arg.get("type") {
                Some(ty) => Some(self.ty(ty)),
                None if self.keeps(text_of(&arg["lifetime"])) => {
                    Some(text_of(&arg["lifetime"]).to_owned())
                }
                None => arg.get("const").map(|it| text_of(&it["expr"]).to_owned()),
            })
            .collect();
        for constraint in list(&it["constraints"]) {
            let name = text_of(&constraint["name"]);
            let binding = &constraint["binding"];
            texts.push(match binding.get("equality") {
                Some(term) => format!("{name} = {}", self.ty(&term["type"])),
                None => format!("{name}: {}", self.all_bounds(&binding["constraint"])),
            });
        }
        match texts.is_empty() {
            true => String::new(),
            false => format!("<{}>", texts.join(", ")),
        }
    }

    fn list_of(&self, types: &Value) -> String {
        let types = list(types).map(|it| self.ty(it));
        types.collect::<Vec<_>>().join(", ")
    }
}

/// Numbers the parameters in the order of their use, then in that of their declaration, and adds the bounds.
fn numbered(text: &str, declared: Vec<String>, bounds: &[String]) -> String {
    let mut order: Vec<String> = Vec::new();
    map_names(text, |name| {
        if !order.iter().any(|known| known == name) {
            order.push(name.to_owned());
        }
        None
    });
    for name in declared {
        if !order.contains(&name) {
            order.push(name);
        }
    }
    let number = |text: &str| {
        map_names(text, |name| {
            let number = order.iter().position(|known| known == name)?;
            Some(letter(number))
        })
    };
    let bounds: BTreeSet<String> = bounds.iter().map(|bound| number(bound)).collect();
    let mut text = number(text);
    if !bounds.is_empty() {
        text += &format!(" where {}", Vec::from_iter(bounds).join(", "));
    }
    text
}

fn letter(number: usize) -> String {
    let letters = ["T", "U", "V", "W", "X", "Y", "Z"];
    letters
        .get(number)
        .map_or_else(|| format!("T{number}"), |letter| (*letter).to_owned())
}

/// Replaces each marked parameter for which there is something else.
fn map_names(text: &str, mut map: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(PARAMETER) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let is_name = |it: char| it == PARAMETER || it == '_' || it.is_alphanumeric();
        let end = rest.find(|it| !is_name(it)).unwrap_or(rest.len());
        let name = &rest[..end];
        out.push_str(&map(name).unwrap_or_else(|| name.to_owned()));
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn writer(world: &World) -> Writer<'_> {
        Writer::new(world, 0)
    }

    fn world() -> World {
        let text = json!({
            "format_version": super::super::docs::FORMAT,
            "root": 0,
            "index": { "0": { "visibility": "public", "inner": { "module": { "items": [] } } } },
            "paths": {
                "1": { "crate_id": 2, "path": ["core", "future", "future", "Future"], "kind": "trait" },
                "2": { "crate_id": 0, "path": ["a", "sealed", "Secret"], "kind": "trait" },
            },
        });
        let docs = super::super::docs::Docs::parse("a", &text.to_string()).unwrap();
        let mut world = World::new(vec![docs], &[("a", &[])]);
        world.name_all(None);
        world
    }

    fn function(parameter: &str, bounds: Value, output: Value, is_async: bool) -> Value {
        json!({
            "header": { "is_const": false, "is_unsafe": false, "is_async": is_async },
            "sig": { "inputs": [["x", { "generic": parameter }]], "output": output },
            "generics": {
                "params": [{ "name": parameter, "kind": { "type": { "bounds": bounds, "is_synthetic": false } } }],
                "where_predicates": [],
            },
        })
    }

    fn future_with(output: Value) -> Value {
        json!({ "impl_trait": [{ "trait_bound": { "modifier": "none", "trait": {
            "id": 1, "path": "Future", "args": { "angle_bracketed": { "args": [], "constraints": [
                { "name": "Output", "binding": { "equality": { "type": output } } }
            ] } }
        } } }] })
    }

    #[test]
    fn the_name_of_a_parameter_does_not_matter() {
        let world = world();
        let one = writer(&world).function(&function("F", json!([]), Value::Null, false), &[]);
        let other = writer(&world).function(&function("Fut", json!([]), Value::Null, false), &[]);
        assert_eq!(one, "fn(T)");
        assert_eq!(one, other);
    }

    #[test]
    fn an_async_fn_equals_a_function_that_returns_a_future() {
        let world = world();
        let unit = json!({ "primitive": "u8" });
        let one = function("T", json!([]), unit.clone(), true);
        let other = function("T", json!([]), future_with(unit), false);
        assert_eq!(
            writer(&world).function(&one, &[]),
            writer(&world).function(&other, &[])
        );
        let plain = function("T", json!([]), json!({ "primitive": "u8" }), false);
        assert_ne!(
            writer(&world).function(&one, &[]),
            writer(&world).function(&plain, &[])
        );
    }

    #[test]
    fn bounds_count_but_not_those_that_nobody_can_name() {
        let world = world();
        let bound = |id: u64| json!([{ "trait_bound": { "modifier": "none", "trait": { "id": id, "path": "B", "args": null } } }]);
        let text =
            |bounds| writer(&world).function(&function("T", bounds, Value::Null, false), &[]);
        assert_eq!(
            text(bound(1)),
            "fn(T) where T: core::future::future::Future"
        );
        assert_eq!(text(bound(2)), "fn(T)");
    }
}
