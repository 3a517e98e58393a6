//! [`JoinMap`].
//!
//! The keys are in a table by their hash, each with its task; the hashes are in a map by the task's id. So a task that has
//! ended finds its key without a copy of it.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::mem::replace;

use hashbrown::HashTable;
use hashbrown::hash_table::{self, Entry};

use super::{AbortHandle, Id, JoinError, JoinSet, LocalSet};
use crate::runtime::Handle;

/// Tasks that have a key and are waited for together, in the order in which they end.
///
/// A key has one task: another one under the same key aborts the first, whose output never comes. Dropping the map aborts
/// its tasks.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::task::JoinMap;
///
/// let mut map = JoinMap::new();
/// map.spawn("six", async { 6 });
/// map.spawn("never", std::future::pending());
/// let (key, output) = map.join_next().await.unwrap();
/// assert_eq!((key, output.unwrap()), ("six", 6));
/// assert!(map.abort("never"));
/// let (key, output) = map.join_next().await.unwrap();
/// assert!(key == "never" && output.unwrap_err().is_cancelled());
/// # });
/// ```
pub struct JoinMap<K, V, S = RandomState> {
    by_key: HashTable<(K, AbortHandle)>,
    hashes: HashMap<Id, u64, S>,
    tasks: JoinSet<V>,
}

impl<K, V> JoinMap<K, V> {
    /// Without a task.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hasher(RandomState::new())
    }

    /// Without a task, and with room for so many.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_and_hasher(capacity, RandomState::new())
    }
}

impl<K, V, S> JoinMap<K, V, S> {
    /// Without a task; keys are hashed by `hash_builder`.
    #[must_use]
    pub fn with_hasher(hash_builder: S) -> Self {
        Self::with_capacity_and_hasher(0, hash_builder)
    }

    /// Without a task, and with room for so many; keys are hashed by `hash_builder`.
    #[must_use]
    pub fn with_capacity_and_hasher(capacity: usize, hash_builder: S) -> Self {
        Self {
            by_key: HashTable::with_capacity(capacity),
            hashes: HashMap::with_capacity_and_hasher(capacity, hash_builder),
            tasks: JoinSet::new(),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// For how many tasks there is room.
    pub fn capacity(&self) -> usize {
        self.by_key.capacity().min(self.hashes.capacity())
    }

    /// The keys, in no order.
    pub fn keys(&self) -> JoinMapKeys<'_, K, V> {
        JoinMapKeys {
            keys: self.by_key.iter(),
            values: PhantomData,
        }
    }
}

impl<K, V, S> JoinMap<K, V, S>
where
    K: Hash + Eq,
    V: 'static,
    S: BuildHasher,
{
    /// Spawns a task under a key.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, key: K, task: F)
    where
        F: Future<Output = V> + Send + 'static,
        V: Send,
    {
        let task = self.tasks.spawn(task);
        self.insert(key, task);
    }

    /// Spawns a task under a key, on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, key: K, task: F, handle: &Handle)
    where
        F: Future<Output = V> + Send + 'static,
        V: Send,
    {
        let task = self.tasks.spawn_on(task, handle);
        self.insert(key, task);
    }

    /// Spawns a task under a key that need not be `Send`: see [`spawn_local`](super::spawn_local).
    ///
    /// # Panics
    ///
    /// Outside a [`LocalSet`] and a [`LocalRuntime`](crate::runtime::LocalRuntime).
    #[track_caller]
    pub fn spawn_local<F>(&mut self, key: K, task: F)
    where
        F: Future<Output = V> + 'static,
    {
        let task = self.tasks.spawn_local(task);
        self.insert(key, task);
    }

    /// Spawns a task under a key into a [`LocalSet`].
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, key: K, task: F, local_set: &LocalSet)
    where
        F: Future<Output = V> + 'static,
    {
        let task = self.tasks.spawn_local_on(task, local_set);
        self.insert(key, task);
    }

    /// Runs a closure under a key, on the blocking pool. It cannot be aborted once it runs.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, key: K, f: F)
    where
        F: FnOnce() -> V + Send + 'static,
        V: Send,
    {
        let task = self.tasks.spawn_blocking(f);
        self.insert(key, task);
    }

    /// Runs a closure under a key, on the blocking pool of the runtime of `handle`.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, key: K, f: F, handle: &Handle)
    where
        F: FnOnce() -> V + Send + 'static,
        V: Send,
    {
        let task = self.tasks.spawn_blocking_on(f, handle);
        self.insert(key, task);
    }

    fn insert(&mut self, key: K, task: AbortHandle) {
        let hasher = self.hashes.hasher();
        let hash = hasher.hash_one(&key);
        let id = task.id();
        let same = |(known, _): &(K, AbortHandle)| *known == key;
        let rehash = |(key, _): &(K, AbortHandle)| hasher.hash_one(key);
        let before = match self.by_key.entry(hash, same, rehash) {
            Entry::Occupied(mut entry) => Some(replace(entry.get_mut(), (key, task))),
            Entry::Vacant(entry) => {
                entry.insert((key, task));
                None
            }
        };
        if let Some((_, task)) = &before {
            self.hashes.remove(&task.id());
            task.abort();
        }
        self.hashes.insert(id, hash);
        // Last: the drop of a key is foreign code.
        drop(before);
    }

    /// Waits until a task has ended: its key and its output. `None` if there is no task.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn join_next(&mut self) -> Option<(K, Result<V, JoinError>)> {
        loop {
            let output = self.tasks.join_next_with_id().await?;
            if let Some(joined) = self.joined(output) {
                return Some(joined);
            }
        }
    }

    /// A task that has ended: its key and its output. `None` also if there is no task.
    pub fn try_join_next(&mut self) -> Option<(K, Result<V, JoinError>)> {
        loop {
            let output = self.tasks.try_join_next_with_id()?;
            if let Some(joined) = self.joined(output) {
                return Some(joined);
            }
        }
    }

    /// `None`: another task has the key now.
    fn joined(&mut self, output: Result<(Id, V), JoinError>) -> Option<(K, Result<V, JoinError>)> {
        let id = match &output {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let hash = self.hashes.remove(&id)?;
        let entry = self.by_key.find_entry(hash, |(_, task)| task.id() == id);
        let ((key, _), _) = entry.ok()?.remove();
        Some((key, output.map(|(_, output)| output)))
    }

    /// Aborts all tasks and waits until they have ended; panics of theirs are dropped.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Aborts the task of a key; true if there is one. Its output still comes.
    pub fn abort<Q>(&mut self, key: &Q) -> bool
    where
        Q: ?Sized + Hash + Eq,
        K: Borrow<Q>,
    {
        let task = self.find(key);
        task.inspect(|task| task.abort()).is_some()
    }

    /// Aborts the tasks of those keys for which `predicate` says so.
    pub fn abort_matching(&mut self, mut predicate: impl FnMut(&K) -> bool) {
        for (_, task) in self.by_key.iter().filter(|(key, _)| predicate(key)) {
            task.abort();
        }
    }

    /// True if there is a task of this key, also if it has ended and was not joined.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        Q: ?Sized + Hash + Eq,
        K: Borrow<Q>,
    {
        self.find(key).is_some()
    }

    /// True if there is a task with this id, also if it has ended and was not joined.
    pub fn contains_task(&self, task: &Id) -> bool {
        self.hashes.contains_key(task)
    }

    fn find<Q>(&self, key: &Q) -> Option<&AbortHandle>
    where
        Q: ?Sized + Hash + Eq,
        K: Borrow<Q>,
    {
        let hash = self.hashes.hasher().hash_one(key);
        let found = self.by_key.find(hash, |(known, _)| known.borrow() == key);
        found.map(|(_, task)| task)
    }

    /// Makes room for so many more tasks.
    pub fn reserve(&mut self, additional: usize) {
        self.hashes.reserve(additional);
        let hasher = self.hashes.hasher();
        self.by_key
            .reserve(additional, |(key, _)| hasher.hash_one(key));
    }

    /// Gives back the room that is not used.
    pub fn shrink_to_fit(&mut self) {
        self.shrink_to(0);
    }

    /// Gives back the room that is not used, but for so many tasks.
    pub fn shrink_to(&mut self, min_capacity: usize) {
        self.hashes.shrink_to(min_capacity);
        let hasher = self.hashes.hasher();
        self.by_key
            .shrink_to(min_capacity, |(key, _)| hasher.hash_one(key));
    }
}

impl<K, V: 'static, S> JoinMap<K, V, S> {
    /// Aborts all tasks. They stay until they are joined.
    pub fn abort_all(&mut self) {
        self.tasks.abort_all();
    }

    /// Lets all tasks go, which run on.
    pub fn detach_all(&mut self) {
        self.tasks.detach_all();
        self.hashes.clear();
        self.by_key.clear();
    }
}

impl<K, V> Default for JoinMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V, S> fmt::Debug for JoinMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.by_key.iter().map(|(key, task)| (key, task.id()));
        f.debug_map().entries(tasks).finish()
    }
}

/// The keys of a [`JoinMap`]; from [`JoinMap::keys`].
#[derive(Debug, Clone)]
pub struct JoinMapKeys<'a, K, V> {
    keys: hash_table::Iter<'a, (K, AbortHandle)>,
    values: PhantomData<&'a V>,
}

impl<'a, K, V> Iterator for JoinMapKeys<'a, K, V> {
    type Item = &'a K;

    fn next(&mut self) -> Option<&'a K> {
        self.keys.next().map(|(key, _)| key)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.keys.size_hint()
    }
}

impl<K, V> ExactSizeIterator for JoinMapKeys<'_, K, V> {}

impl<K, V> FusedIterator for JoinMapKeys<'_, K, V> {}
