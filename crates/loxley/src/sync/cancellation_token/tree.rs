//! The tokens of one family.
//!
//! Places of the tree's table are linked by number: parent, first child, siblings. Whoever changes a link has the
//! tree's lock; foreign code (wakers, and drops of nodes, which lock the tree) runs without it.

use std::sync::{Arc, Weak};

use crate::sync::primitive::Mutex;
use crate::sync::primitive::atomic::{AtomicBool, Ordering};
use crate::sync::waiters::{Home, Waiters};
use crate::sync::wakes::Wakes;

/// What all clones of a token share.
#[derive(Debug)]
pub(super) struct Node {
    /// Set under the tree's lock.
    cancelled: AtomicBool,
    waiters: Waiters<(), ()>,
    /// Not there: it was made by a cancelled parent.
    place: Option<(Arc<Mutex<Tree>>, usize)>,
}

#[derive(Debug, Default)]
struct Tree {
    places: Vec<Place>,
    /// First of the free places, linked by `after`.
    free: Option<usize>,
    taken: usize,
}

#[derive(Debug, Default)]
struct Place {
    node: Weak<Node>,
    parent: Option<usize>,
    child: Option<usize>,
    before: Option<usize>,
    after: Option<usize>,
}

impl Home for Node {
    type State = ();
    type Note = ();

    fn waiters(&self) -> &Waiters<(), ()> {
        &self.waiters
    }
}

impl Node {
    /// A tree with one node.
    pub(super) fn root() -> Arc<Self> {
        let tree = Arc::new(Mutex::new(Tree::default()));
        Self::enter(&tree, &mut tree.lock(), None)
    }

    fn enter(shared: &Arc<Mutex<Tree>>, tree: &mut Tree, parent: Option<usize>) -> Arc<Self> {
        let number = tree.take_place();
        let node = Arc::new(Self {
            cancelled: AtomicBool::new(false),
            waiters: Waiters::new(()),
            place: Some((shared.clone(), number)),
        });
        tree.places[number].node = Arc::downgrade(&node);
        if let Some(parent) = parent {
            tree.adopt(parent, number);
        }
        node
    }

    /// A node below this one.
    pub(super) fn child(&self) -> Arc<Self> {
        if let Some((shared, number)) = &self.place {
            let mut tree = shared.lock();
            if !self.is_cancelled() {
                return Self::enter(shared, &mut tree, Some(*number));
            }
        }
        Arc::new(Self {
            cancelled: AtomicBool::new(true),
            waiters: Waiters::new(()),
            place: None,
        })
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        // Acquire: pairs with the Release in `mark`.
        self.cancelled.load(Ordering::Acquire)
    }

    /// Marks all from here downwards, and wakes whoever waits for one of them.
    pub(super) fn cancel(&self) {
        let Some((shared, number)) = &self.place else {
            return;
        };
        if self.is_cancelled() {
            return;
        }
        let below = {
            let mut tree = shared.lock();
            self.mark();
            tree.mark_below(*number)
        };
        let mut wakes = Wakes::new();
        for node in std::iter::once(self).chain(below.iter().map(|node| &**node)) {
            // A waiter looks at the mark under this lock before it enters.
            node.waiters.lock().serve_all(&mut wakes, |()| {});
        }
        // Before the wakes: the last owner of a node may be here.
        drop(below);
        wakes.wake();
    }

    fn mark(&self) {
        // Release: pairs with the Acquire in `is_cancelled`.
        self.cancelled.store(true, Ordering::Release);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some((shared, number)) = &self.place {
            shared.lock().leave(*number);
        }
    }
}

impl Tree {
    fn take_place(&mut self) -> usize {
        self.taken += 1;
        if let Some(number) = self.free {
            self.free = self.places[number].after.take();
            return number;
        }
        self.places.push(Place::default());
        self.places.len() - 1
    }

    /// Makes `number`, which has no parent, the first child.
    fn adopt(&mut self, parent: usize, number: usize) {
        let next = self.places[parent].child.replace(number);
        if let Some(next) = next {
            self.places[next].before = Some(number);
        }
        let place = &mut self.places[number];
        place.parent = Some(parent);
        place.before = None;
        place.after = next;
    }

    /// Takes a node out of its parent's children.
    fn unlink(&mut self, number: usize) -> Option<usize> {
        let place = &mut self.places[number];
        let (parent, before, after) =
            (place.parent.take(), place.before.take(), place.after.take());
        match before {
            Some(before) => self.places[before].after = after,
            None => {
                if let Some(parent) = parent {
                    self.places[parent].child = after;
                }
            }
        }
        if let Some(after) = after {
            self.places[after].before = before;
        }
        parent
    }

    /// A node goes; its parent takes its children over.
    fn leave(&mut self, number: usize) {
        let parent = self.unlink(number);
        while let Some(child) = self.places[number].child {
            self.unlink(child);
            if let Some(parent) = parent {
                self.adopt(parent, child);
            }
        }
        self.places[number] = Place {
            after: self.free.replace(number),
            ..Place::default()
        };
        self.taken -= 1;
        if self.taken == 0 {
            *self = Self::default();
        }
    }

    /// Marks all nodes below; gives those that somebody still has. They are no children any more.
    fn mark_below(&mut self, top: usize) -> Vec<Arc<Node>> {
        let mut marked = Vec::new();
        let mut to_do = vec![top];
        while let Some(number) = to_do.pop() {
            while let Some(child) = self.places[number].child {
                self.unlink(child);
                to_do.push(child);
                if let Some(node) = self.places[child].node.upgrade() {
                    node.mark();
                    marked.push(node);
                }
            }
        }
        marked
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    fn size(node: &Node) -> (usize, usize) {
        let tree = node.place.as_ref().unwrap().0.lock();
        (tree.taken, tree.places.len())
    }

    #[test]
    fn a_tree_is_as_large_as_what_lives() {
        let root = Node::root();
        let mut newest = root.clone();
        for _ in 0..1000 {
            // The one before is dropped: its child goes to the root.
            newest = newest.child();
        }
        assert_eq!(size(&root).0, 2);
        assert!(size(&root).1 <= 3);
        let many: Vec<_> = (0..1000).map(|_| root.child()).collect();
        drop(many);
        assert_eq!(size(&root).0, 2);
        root.cancel();
        assert!(newest.is_cancelled());
        drop(newest);
        assert_eq!(size(&root), (1, size(&root).1));
    }

    #[test]
    fn children_of_one_that_went_are_reached_from_above() {
        let root = Node::root();
        let middle = root.child();
        let leaves = [middle.child(), middle.child(), middle.child()];
        drop(middle);
        leaves[1].cancel();
        assert!(!leaves[0].is_cancelled() && !leaves[2].is_cancelled());
        root.cancel();
        assert!(leaves.iter().all(|leaf| leaf.is_cancelled()));
    }

    #[test]
    fn children_of_a_root_that_went_are_on_their_own() {
        let root = Node::root();
        let [one, two] = [root.child(), root.child()];
        drop(root);
        let below = one.child();
        one.cancel();
        assert!(below.is_cancelled() && !two.is_cancelled());
    }
}
