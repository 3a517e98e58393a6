//! `join!`.

/// Waits for all of several futures, on this task, and gives a tuple of their outputs.
///
/// The futures run on one task, so at the same time but never in parallel: what shall run in parallel is
/// [spawned](fn@crate::spawn), and the handles are joined. Each poll begins with another one of them, unless it
/// says `biased;`.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (number, word) = loxley::join!(async { 5 }, async { "five" });
/// assert_eq!((number, word), (5, "five"));
///
/// let (one, two) = loxley::join!(biased; async { 1 }, async { 2 });
/// assert_eq!(one + two, 3);
/// # });
/// ```
#[macro_export]
macro_rules! join {
    (@ { turn = $turn:expr; ($($count:tt)*); $(($($skip:tt)*) $future:expr,)* }) => {{
        let mut futures = ($($crate::macros::support::pin!($crate::macros::support::maybe_done($future)),)*);
        let count: usize = 0 $(+ { let _ = stringify!($count); 1 })*;
        let mut first = 0_usize;
        let outputs = $crate::macros::support::poll_fn(move |cx| {
            let mut all = true;
            for number in 0..count {
                let number = (first + number) % count;
                $(
                    if number == 0 $(+ { let _ = stringify!($skip); 1 })* {
                        let ($($skip,)* future, ..) = &mut futures;
                        all &= future.as_mut().poll_done(cx);
                    }
                )*
            }
            first = first.wrapping_add($turn) % count;
            if all {
                $crate::macros::support::Ready(($({
                    let ($($skip,)* future, ..) = &mut futures;
                    future.as_mut().take()
                },)*))
            } else {
                $crate::macros::support::Pending
            }
        })
        .await;
        outputs
    }};
    (@ { turn = $turn:expr; ($($count:tt)*); $($done:tt)* } $future:expr, $($rest:tt)*) => {
        $crate::join!(@ { turn = $turn; ($($count)* _); $($done)* ($($count)*) $future, } $($rest)*)
    };
    (biased; $($future:expr),+ $(,)?) => {
        $crate::join!(@ { turn = 0; (); } $($future,)+)
    };
    ($($future:expr),+ $(,)?) => {
        $crate::join!(@ { turn = 1; (); } $($future,)+)
    };
    (biased; $(,)?) => { async {}.await };
    () => { async {}.await };
    ($($other:tt)*) => {
        compile_error!("`join!` takes futures, with commas between them: `join!(a, b)`")
    };
}
