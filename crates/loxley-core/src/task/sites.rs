//! Sites: what all tasks have in common that one line of code spawns in one home.
//!
//! The functions of their type, their home and the place of the spawn are three words that a million tasks would repeat;
//! each header has one pointer instead. A home knows its sites by the addresses of vtable and place. A program has
//! finitely many of both, so nothing is taken out before the home ends.
//!
//! Most tasks come from the same line as the one before; that line is found by two comparisons, any other in a hash
//! table that is at most half full. Checked by the tests below.
//!
//! Rejected: one table for all homes, because the home is a word of the header then, and the table a lock for all who
//! spawn. The place as a 32-bit distance from the program's start: a library that is loaded later may lie beyond it.

use std::panic::Location;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::raw::Vtable;

/// Places of a table when its first site comes.
const FEW: usize = 4;

/// What the tasks of one site share; it lives as long as its home.
pub(super) struct Site {
    /// A copy, so that a call takes no further load.
    pub(super) vtable: Vtable,
    /// A `Home<S>`, for the `S` of the vtable (rules 5, 6, 7).
    pub(super) home: NonNull<()>,
    pub(super) spawned_at: &'static Location<'static>,
}

/// What tells a site from the others of its home.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) vtable: &'static Vtable,
    pub(super) spawned_at: &'static Location<'static>,
}

impl Key {
    #[inline]
    fn is(self, other: Key) -> bool {
        ptr::eq(self.vtable, other.vtable) && ptr::eq(self.spawned_at, other.spawned_at)
    }

    /// A number whose low bits differ where the addresses do.
    fn hash(self) -> usize {
        let vtable = ptr::from_ref(self.vtable).addr() as u64;
        let place = ptr::from_ref(self.spawned_at).addr() as u64;
        // 2^64 over the golden ratio; the high half of the product depends on all bits.
        let mixed = (vtable ^ place.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize
    }
}

/// The sites of one home.
pub(super) struct Sites {
    /// The one that was asked for last.
    last: Option<(Key, NonNull<Site>)>,
    /// A power of two of places, or none. Each site stays where it is when the table grows, and is never cloned: the home's
    /// lock guards the counts.
    table: Vec<Option<(Key, Rc<Site>)>>,
    count: usize,
}

impl Sites {
    pub(super) const fn new() -> Self {
        Self {
            last: None,
            table: Vec::new(),
            count: 0,
        }
    }

    /// The site with this key, for this home, made if it is new.
    #[inline]
    pub(super) fn find(&mut self, key: Key, home: NonNull<()>) -> NonNull<Site> {
        match self.last {
            Some((last, site)) if key.is(last) => site,
            _ => self.find_slow(key, home),
        }
    }

    #[inline(never)]
    fn find_slow(&mut self, key: Key, home: NonNull<()>) -> NonNull<Site> {
        if 2 * self.count >= self.table.len() {
            self.grow();
        }
        let place = place(&self.table, key);
        let count = &mut self.count;
        let (_, site) = self.table[place].get_or_insert_with(|| {
            *count += 1;
            let site = Site {
                vtable: *key.vtable,
                home,
                spawned_at: key.spawned_at,
            };
            (key, Rc::new(site))
        });
        let site = NonNull::from(&**site);
        self.last = Some((key, site));
        site
    }

    fn grow(&mut self) {
        let places = (2 * self.table.len()).max(FEW);
        let mut table: Vec<_> = (0..places).map(|_| None).collect();
        for entry in self.table.drain(..).flatten() {
            let place = place(&table, entry.0);
            table[place] = Some(entry);
        }
        self.table = table;
    }
}

/// Where the site with this key is, or belongs; there is an empty place.
fn place(table: &[Option<(Key, Rc<Site>)>], key: Key) -> usize {
    let mask = table.len() - 1;
    let mut at = key.hash() & mask;
    while table[at].as_ref().is_some_and(|(other, _)| !key.is(*other)) {
        at = (at + 1) & mask;
    }
    at
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use std::future::Ready;

    use super::*;
    use crate::task::local::Arrivals;
    use crate::task::raw::vtable_of;

    fn keys() -> Vec<Key> {
        let vtables = [
            vtable_of::<Ready<[u64; 1]>, Arrivals>(false),
            vtable_of::<Ready<[u64; 2]>, Arrivals>(false),
            vtable_of::<Ready<[u64; 3]>, Arrivals>(false),
            vtable_of::<Ready<[u64; 4]>, Arrivals>(false),
        ];
        let places = [
            Location::caller(),
            Location::caller(),
            Location::caller(),
            Location::caller(),
            Location::caller(),
        ];
        let of = |vtable| places.map(|spawned_at| Key { vtable, spawned_at });
        vtables.into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_site_is_made_once_and_stays_where_it_is() {
        let keys = keys();
        let mut sites = Sites::new();
        let home = NonNull::dangling();
        let made: Vec<_> = keys.iter().map(|&key| sites.find(key, home)).collect();
        for (index, site) in made.iter().enumerate() {
            assert!(!made[..index].contains(site), "two keys have one site");
        }
        for (&key, &made) in keys.iter().zip(&made) {
            for _ in 0..2 {
                assert_eq!(sites.find(key, home), made);
            }
            let (_, site) = sites.table[place(&sites.table, key)].as_ref().unwrap();
            assert_eq!(NonNull::from(&**site), made);
            assert!(ptr::eq(site.spawned_at, key.spawned_at));
        }
        assert_eq!(sites.count, keys.len());
    }

    #[test]
    fn a_table_is_never_more_than_half_full() {
        let mut sites = Sites::new();
        for key in keys() {
            sites.find(key, NonNull::dangling());
            assert!(2 * sites.count <= sites.table.len());
        }
    }
}
