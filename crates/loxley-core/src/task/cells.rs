//! Memory for cells: what one task frees, the next one takes.
//!
//! A task lives short, and a program spawns few types of them, so cells of few sizes come and go. Each thread keeps two
//! *chains* of freed cells for each size; full chains go to a *depot*, and threads with none left take them from there.
//! That is 15 instructions each way, where glibc takes 140 for a task at a time and 400 for ten thousand at once, and
//! locks an arena for a cell that another thread allocated. The scheme is Bonwick's magazines (USENIX 2001).
//!
//! # Bounds
//!
//! A chain is at most [`CHAIN`] bytes; a thread holds two for each size that it uses, the depot [`DEPOT`] bytes. What
//! comes beyond is freed, as is what a thread holds when it ends. A cell larger than [`LARGEST`] is never kept: its
//! future costs more than its memory. Debug builds keep nothing, so that sanitizers and valgrind see every end.
//!
//! # Rules
//!
//! 1. A chain of a class holds memory of exactly that class's size, allocated with that size and [`ALIGN`], that nobody
//!    refers to; each begins with a [`Free`]. The `next` of the last is null.
//! 2. A thread's chains are that thread's, the depot's belong to its lock.
//!
//! Rejected: lists that only their thread takes from, because a thread that spawns for others never gets a cell back;
//! slabs with a page per size, which keep a page alive for its last task.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::primitive::global::{Mutex, thread_local};

/// Bytes in a chain.
const CHAIN: usize = 4 << 10;
/// Bytes in the depot at most: what a processor's caches hold. Beyond it, kept memory is no faster than new.
const DEPOT: usize = 4 << 20;
/// The largest cell that is kept.
const LARGEST: usize = 512;
/// Sizes are rounded up to a multiple of this, and then some more:
const ALIGN: usize = 16;
/// glibc's blocks hold so many bytes above a multiple of 16.
const MORE: usize = 8;
const CLASSES: usize = LARGEST / ALIGN + 1;

/// The first bytes of memory that is kept.
struct Free {
    next: *mut Free,
    /// In the first of a chain that is in the depot.
    next_chain: *mut Free,
}

/// What a thread keeps of one class.
struct Shelf {
    open: Cell<*mut Free>,
    /// How many are in `open`.
    count: Cell<usize>,
    /// A full chain, or null.
    full: Cell<*mut Free>,
}

struct Shelves([Shelf; CLASSES]);

thread_local! {
    static HERE: Shelves = const { Shelves([const { Shelf::new() }; CLASSES]) };
}

static THERE: Mutex<Depot> = Mutex::new(Depot::new(DEPOT));

/// Full chains of all classes.
struct Depot {
    chains: [*mut Free; CLASSES],
    room: usize,
}

// SAFETY: the chains are memory that nobody refers to (rule 1).
unsafe impl Send for Depot {}

/// The layout that memory for a `T` really has, and its class if it is kept.
const fn class_of<T>() -> (Layout, Option<usize>) {
    let layout = Layout::new::<T>();
    if cfg!(debug_assertions)
        || cfg!(loxley_loom)
        || layout.align() > ALIGN
        || layout.size() > LARGEST
    {
        return (layout, None);
    }
    let class = layout.size().saturating_sub(MORE).div_ceil(ALIGN);
    (layout_of(class), Some(class))
}

const fn layout_of(class: usize) -> Layout {
    match Layout::from_size_align(class * ALIGN + MORE, ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("a class is small and aligned"),
    }
}

/// Memory for a `T`. Give it back with [`give_back`].
#[inline]
pub(super) fn take<T>() -> NonNull<T> {
    const { assert!(size_of::<T>() >= size_of::<Free>()) };
    let (layout, class) = const { class_of::<T>() };
    let kept = class.and_then(|class| HERE.try_with(|here| here.0[class].pop(class)).ok()?);
    kept.unwrap_or_else(|| allocate(layout)).cast()
}

/// Keeps or frees memory.
///
/// # Safety
///
/// It came from [`take`] of the same `T`, and nobody refers to it any more.
#[inline]
pub(super) unsafe fn give_back<T>(memory: NonNull<T>) {
    let (layout, class) = const { class_of::<T>() };
    let memory = memory.cast();
    // SAFETY: by this function's own contract (rule 1).
    let keep = |class: usize| HERE.try_with(|here| unsafe { here.0[class].push(class, memory) });
    if class.is_none_or(|class| keep(class).is_err()) {
        // SAFETY: `take` allocated it with this layout.
        unsafe { dealloc(memory.as_ptr(), layout) }
    }
}

#[cold]
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout here is empty: a cell begins with a header, and class 0 is not used.
    let new = unsafe { alloc(layout) };
    NonNull::new(new).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Frees a chain of this class.
///
/// # Safety
///
/// The caller owns the chain.
unsafe fn free_chain(class: usize, chain: *mut Free) {
    let mut left = NonNull::new(chain);
    while let Some(memory) = left {
        // SAFETY: what a chain holds begins with a `Free` (rule 1).
        left = NonNull::new(unsafe { memory.as_ref() }.next);
        // SAFETY: and it was allocated with its class's layout.
        unsafe { dealloc(memory.as_ptr().cast(), layout_of(class)) }
    }
}

impl Shelf {
    const fn new() -> Self {
        Self {
            open: Cell::new(ptr::null_mut()),
            count: Cell::new(0),
            full: Cell::new(ptr::null_mut()),
        }
    }

    #[inline]
    fn pop(&self, class: usize) -> Option<NonNull<u8>> {
        let first = NonNull::new(self.open.get()).or_else(|| self.refill(class))?;
        // SAFETY: it is in a chain of this thread (rules 1 and 2).
        self.open.set(unsafe { first.as_ref() }.next);
        self.count.set(self.count.get() - 1);
        Some(first.cast())
    }

    /// Opens a full chain, of one's own or from the depot.
    #[cold]
    fn refill(&self, class: usize) -> Option<NonNull<Free>> {
        let mut chain = self.full.replace(ptr::null_mut());
        if chain.is_null() {
            chain = THERE.lock().take(class);
        }
        self.count
            .set(if chain.is_null() { 0 } else { length(class) });
        self.open.set(chain);
        NonNull::new(chain)
    }

    /// # Safety
    ///
    /// The memory is as rule 1 says.
    #[inline]
    unsafe fn push(&self, class: usize, memory: NonNull<u8>) {
        if self.count.get() == length(class) {
            self.put_away(class);
        }
        let memory = memory.cast::<Free>();
        let free = Free {
            next: self.open.get(),
            next_chain: ptr::null_mut(),
        };
        // SAFETY: it is large enough, aligned, and nobody else's (rule 1).
        unsafe { memory.write(free) };
        self.open.set(memory.as_ptr());
        self.count.set(self.count.get() + 1);
    }

    /// Makes room: the open chain is full.
    #[cold]
    fn put_away(&self, class: usize) {
        let chain = self.full.replace(self.open.replace(ptr::null_mut()));
        self.count.set(0);
        if !chain.is_null() {
            let refused = THERE.lock().give(class, chain);
            // SAFETY: it was this thread's, and the depot did not take it (rule 2).
            unsafe { free_chain(class, refused) }
        }
    }
}

/// Cells in a full chain.
const fn length(class: usize) -> usize {
    CHAIN / layout_of(class).size()
}

impl Depot {
    const fn new(room: usize) -> Self {
        Self {
            chains: [ptr::null_mut(); CLASSES],
            room,
        }
    }

    fn take(&mut self, class: usize) -> *mut Free {
        let chain = self.chains[class];
        if !chain.is_null() {
            // SAFETY: chains in the depot belong to its lock (rule 2), which `&mut` proves.
            self.chains[class] = unsafe { (*chain).next_chain };
            self.room += CHAIN;
        }
        chain
    }

    /// Gives the chain back if there is no room for it, else null.
    fn give(&mut self, class: usize, chain: *mut Free) -> *mut Free {
        if self.room < CHAIN {
            return chain;
        }
        self.room -= CHAIN;
        // SAFETY: the caller gives a chain of his up (rule 2).
        unsafe { (*chain).next_chain = self.chains[class] };
        self.chains[class] = chain;
        ptr::null_mut()
    }
}

impl Drop for Shelves {
    fn drop(&mut self) {
        for (class, shelf) in self.0.iter().enumerate() {
            for chain in [&shelf.open, &shelf.full] {
                // SAFETY: they are this thread's, which ends (rule 2).
                unsafe { free_chain(class, chain.replace(ptr::null_mut())) }
            }
        }
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    const CLASS: usize = 4;

    /// Gives so many new cells back to `shelf`.
    fn fill(shelf: &Shelf, cells: usize) {
        for _ in 0..cells {
            // SAFETY: allocated for this class, and nobody's.
            unsafe { shelf.push(CLASS, allocate(layout_of(CLASS))) }
        }
    }

    fn drain(shelf: &Shelf) -> usize {
        let cells = std::iter::from_fn(|| shelf.pop(CLASS));
        // SAFETY: allocated with this layout, and taken out just now.
        cells
            .map(|cell| unsafe { dealloc(cell.as_ptr(), layout_of(CLASS)) })
            .count()
    }

    #[test]
    fn what_was_given_back_last_is_taken_first() {
        let shelf = Shelf::new();
        let cells = [(); 2].map(|()| allocate(layout_of(CLASS)));
        for cell in cells {
            // SAFETY: allocated for this class, and nobody's.
            unsafe { shelf.push(CLASS, cell) }
        }
        assert_eq!(shelf.pop(CLASS), Some(cells[1]));
        assert_eq!(shelf.pop(CLASS), Some(cells[0]));
        for cell in cells {
            // SAFETY: allocated with this layout.
            unsafe { dealloc(cell.as_ptr(), layout_of(CLASS)) }
        }
    }

    #[test]
    fn what_one_thread_gives_back_another_one_takes() {
        // All cells of three chains: two stay with the thread, one goes to the depot; and one cell more.
        let cells = 3 * length(CLASS) + 1;
        let given = Shelf::new();
        fill(&given, cells);
        let taker = std::thread::spawn(|| drain(&Shelf::new()));
        let taken = taker.join().unwrap();
        assert!(taken >= length(CLASS), "{taken}");
        assert_eq!(drain(&given) + taken, cells);
    }

    #[test]
    fn a_depot_without_room_takes_nothing() {
        let mut depot = Depot::new(CHAIN);
        let chains = [(); 2].map(|()| {
            let shelf = Shelf::new();
            fill(&shelf, length(CLASS));
            shelf.open.get()
        });
        assert!(depot.give(CLASS, chains[0]).is_null());
        assert_eq!(depot.give(CLASS, chains[1]), chains[1]);
        assert_eq!(depot.take(CLASS), chains[0]);
        assert!(depot.take(CLASS).is_null());
        for chain in chains {
            // SAFETY: they are this test's.
            unsafe { free_chain(CLASS, chain) }
        }
    }
}
