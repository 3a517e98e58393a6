//! The public paths of some crates that people use as one.
//!
//! A type may be defined in a private module, or in a crate below, and be exported under one or more paths.
//! Two crates can only be compared by the paths that people write, so every definition is given one of them, its
//! *name*: without the crate, the shortest. What has no public path has no name; of the second world, what the first
//! has no such path for has none either, since nobody who comes from there can write it.

use std::collections::{BTreeMap, BTreeSet};

use super::docs::{Docs, ids, inner, is_public, text_of};

/// Something that can be named from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Public {
    /// Without the name of the crate.
    pub(crate) path: String,
    pub(crate) what: What,
}

/// What stands at a public path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// An item of one of our crates: the crate's number, the item's id.
    Own(usize, u64),
    /// Something of std or of another crate, by where it is defined.
    Foreign(String),
}

/// Some crates that people use as one.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) crates: Vec<Docs>,
    pub(crate) public: BTreeSet<Public>,
    /// From a definition to its name.
    names: BTreeMap<String, String>,
    /// What has a path, but none that the other world knows.
    extra: BTreeSet<String>,
}

impl World {
    /// Walks from the roots: the crates that people name, each with the modules of it that count (none: all).
    pub(crate) fn new(crates: Vec<Docs>, roots: &[(&str, &[&str])]) -> World {
        let mut world = World {
            crates,
            public: BTreeSet::new(),
            names: BTreeMap::new(),
            extra: BTreeSet::new(),
        };
        for (name, modules) in roots {
            let Some(number) = world.crate_of(name) else {
                continue;
            };
            let root = world.crates[number].root();
            world.walk(number, root, "", modules, &mut Vec::new());
        }
        world
    }

    /// Gives each definition its name: the shortest path, or, if a set is given, the one that is in it.
    pub(crate) fn name_all(&mut self, known: Option<&BTreeSet<String>>) {
        let is_known = |path: &String| known.is_none_or(|known| known.contains(path));
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for public in &self.public {
            let What::Own(number, id) = public.what else {
                continue;
            };
            let Some((definition, _)) = self.crates[number].definition(id) else {
                continue;
            };
            let rank = |path: &String| {
                let depth = path.matches("::").count();
                (!is_known(path), depth, path.clone())
            };
            let name = names.entry(definition).or_insert(public.path.clone());
            if rank(&public.path) < rank(name) {
                name.clone_from(&public.path);
            }
        }
        let (names, extra) = names.into_iter().partition(|(_, name)| is_known(name));
        self.names = names;
        self.extra = BTreeMap::into_keys(extra).collect();
    }

    /// The names that are in use.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.names.values().cloned().collect()
    }

    /// The name of a definition; `None` if it is ours and private.
    pub(crate) fn name(&self, definition: &str) -> Option<String> {
        let root = definition.split("::").next().unwrap_or_default();
        match self.crate_of(root) {
            Some(_) => self.names.get(definition).cloned(),
            None => Some(definition.to_owned()),
        }
    }

    /// True if nobody can write it.
    pub(crate) fn is_private(&self, definition: &str) -> bool {
        self.name(definition).is_none() && !self.extra.contains(definition)
    }

    pub(crate) fn crate_of(&self, name: &str) -> Option<usize> {
        self.crates.iter().position(|docs| docs.name == name)
    }

    /// Finds an id of one crate in the crate that defines it.
    pub(crate) fn resolve(&self, number: usize, id: u64) -> Option<What> {
        if self.crates[number].item(id).is_some() {
            return Some(What::Own(number, id));
        }
        let (definition, kind) = self.crates[number].definition(id)?;
        let root = definition.split("::").next().unwrap_or_default();
        match self.crate_of(root) {
            Some(number) => {
                let id = self.crates[number].id_of(&definition, kind)?;
                Some(What::Own(number, id))
            }
            None => Some(What::Foreign(definition)),
        }
    }

    fn walk(
        &mut self,
        number: usize,
        module: u64,
        path: &str,
        only: &[&str],
        inside: &mut Vec<(usize, u64)>,
    ) {
        if inside.contains(&(number, module)) {
            return;
        }
        inside.push((number, module));
        let items = self.crates[number].item(module).cloned();
        let items = items.as_ref().and_then(inner);
        for id in items.into_iter().flat_map(|(_, it)| ids(&it["items"])) {
            self.visit(number, id, path, only, inside);
        }
        inside.pop();
    }

    fn visit(
        &mut self,
        number: usize,
        id: u64,
        path: &str,
        only: &[&str],
        inside: &mut Vec<(usize, u64)>,
    ) {
        let Some(item) = self.crates[number].item(id).cloned() else {
            return;
        };
        if !is_public(&item) {
            return;
        }
        let Some((kind, special)) = inner(&item) else {
            return;
        };
        if kind != "use" {
            return self.meet(
                What::Own(number, id),
                path,
                text_of(&item["name"]),
                only,
                inside,
            );
        }
        let target = special["id"].as_u64();
        let target = target.and_then(|id| self.resolve(number, id));
        match target {
            Some(What::Own(number, id)) if special["is_glob"] == true => {
                self.walk(number, id, path, only, inside);
            }
            Some(what) => self.meet(what, path, text_of(&special["name"]), only, inside),
            // A primitive, or something that rustdoc hides.
            None => {}
        }
    }

    fn meet(
        &mut self,
        what: What,
        path: &str,
        name: &str,
        only: &[&str],
        inside: &mut Vec<(usize, u64)>,
    ) {
        if path.is_empty() && !only.is_empty() && !only.contains(&name) {
            return;
        }
        let path = match path {
            "" => name.to_owned(),
            path => format!("{path}::{name}"),
        };
        if let What::Own(number, id) = what {
            let item = self.crates[number].item(id);
            if item
                .and_then(inner)
                .is_some_and(|(kind, _)| kind == "module")
            {
                self.walk(number, id, &path, only, inside);
            }
        }
        self.public.insert(Public { path, what });
    }
}
