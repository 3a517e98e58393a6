//! `pin!`.

/// Pins futures to the stack: `pin!(a, b)` replaces the variables, `pin! { let a = ..; }` makes them.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// async fn six() -> u8 {
///     6
/// }
///
/// let future = six();
/// loxley::pin!(future);
/// assert_eq!((&mut future).await, 6);
///
/// loxley::pin! {
///     let one = six();
///     let two = six();
/// }
/// assert_eq!(one.await + two.await, 12);
/// # });
/// ```
#[macro_export]
macro_rules! pin {
    ($($future:ident),* $(,)?) => {$(
        // Moved first, so that nobody can reach the unpinned one.
        let mut $future = $crate::macros::support::pin!($future);
    )*};
    ($(let $name:ident = $future:expr;)*) => {$(
        let mut $name = $crate::macros::support::pin!($future);
    )*};
}
