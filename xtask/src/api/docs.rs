//! What rustdoc says of one crate, as JSON.

use std::collections::BTreeMap;

use serde_json::Value;

/// The format that is read here; every other is refused rather than misread.
pub(crate) const FORMAT: u64 = 57;

/// One crate.
#[derive(Debug)]
pub(crate) struct Docs {
    pub(crate) name: String,
    pub(crate) version: String,
    json: Value,
    /// From where something is defined, and its kind, to its id.
    defined: BTreeMap<(String, String), u64>,
}

impl Docs {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Docs, String> {
        let json: Value = serde_json::from_str(text)
            .map_err(|error| format!("rustdoc's output for {name} is no JSON: {error}"))?;
        let format = json["format_version"].as_u64().unwrap_or_default();
        if format != FORMAT {
            return Err(format!(
                "rustdoc writes format {format}, xtask/src/api reads {FORMAT}"
            ));
        }
        let mut docs = Docs {
            name: name.to_owned(),
            version: text_of(&json["crate_version"]).to_owned(),
            json,
            defined: BTreeMap::new(),
        };
        docs.defined = docs.definitions();
        Ok(docs)
    }

    fn definitions(&self) -> BTreeMap<(String, String), u64> {
        let paths = self.json["paths"].as_object().into_iter().flatten();
        paths
            .filter(|(_, path)| path["crate_id"] == 0)
            .filter_map(|(id, path)| {
                let kind = text_of(&path["kind"]).to_owned();
                Some(((joined(path), kind), id.parse().ok()?))
            })
            .collect()
    }

    pub(crate) fn root(&self) -> u64 {
        self.json["root"].as_u64().unwrap_or_default()
    }

    pub(crate) fn item(&self, id: u64) -> Option<&Value> {
        self.json["index"].get(id.to_string())
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Value> {
        let index = self.json["index"].as_object().into_iter().flatten();
        index.map(|(_, item)| item)
    }

    /// The names of the crates that this one knows of, without ours.
    pub(crate) fn others(&self) -> impl Iterator<Item = String> {
        let others = self.json["external_crates"]
            .as_object()
            .into_iter()
            .flatten();
        others
            .map(|(_, it)| text_of(&it["name"]).to_owned())
            .filter(|name| !name.starts_with("loxley"))
    }

    /// Where something is defined, and what kind it is; also what other crates define.
    pub(crate) fn definition(&self, id: u64) -> Option<(String, &str)> {
        let path = self.json["paths"].get(id.to_string())?;
        Some((joined(path), text_of(&path["kind"])))
    }

    /// The id of what this crate defines there.
    pub(crate) fn id_of(&self, definition: &str, kind: &str) -> Option<u64> {
        let key = (definition.to_owned(), kind.to_owned());
        self.defined.get(&key).copied()
    }
}

fn joined(path: &Value) -> String {
    let parts = list(&path["path"]).map(text_of);
    parts.collect::<Vec<_>>().join("::")
}

/// The kind of an item and what is special to it.
pub(crate) fn inner(item: &Value) -> Option<(&str, &Value)> {
    let inner = item["inner"].as_object()?;
    inner.iter().next().map(|(kind, inner)| (&**kind, inner))
}

/// Public, and shown.
pub(crate) fn is_public(item: &Value) -> bool {
    let mut attributes = list(&item["attrs"]);
    item["visibility"] == "public" && !attributes.any(|it| it["other"] == "#[doc(hidden)]")
}

pub(crate) fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn ids(value: &Value) -> impl Iterator<Item = u64> + '_ {
    list(value).filter_map(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_refused_and_named() {
        let error = Docs::parse("a", r#"{"format_version": 3}"#).unwrap_err();
        assert!(error.contains("format 3"), "{error}");
        assert!(Docs::parse("a", "no").unwrap_err().contains("no JSON"));
    }

    #[test]
    fn a_definition_is_found_by_path_and_kind() {
        let text = format!(
            r#"{{"format_version": {FORMAT}, "paths": {{
                "7": {{"crate_id": 0, "path": ["a", "b"], "kind": "struct"}},
                "8": {{"crate_id": 1, "path": ["std", "c"], "kind": "enum"}}}}}}"#
        );
        let docs = Docs::parse("a", &text).unwrap();
        assert_eq!(docs.id_of("a::b", "struct"), Some(7));
        assert_eq!(docs.id_of("a::b", "module"), None);
        assert_eq!(docs.id_of("std::c", "enum"), None);
        assert_eq!(docs.definition(8), Some(("std::c".into(), "enum")));
    }
}
