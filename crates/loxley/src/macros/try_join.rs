//! `try_join!`.

/// Waits until all of several futures have succeeded, or one has failed.
///
/// Gives a tuple of what they gave, or the first error; the other futures are dropped then. Otherwise as
/// [`join!`](crate::join).
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let both = loxley::try_join!(async { Ok::<_, &str>(5) }, async { Ok("five") });
/// assert_eq!(both, Ok((5, "five")));
///
/// let never = std::future::pending::<Result<(), &str>>();
/// let failed = loxley::try_join!(never, async { Err::<u8, _>("no") });
/// assert_eq!(failed, Err("no"));
/// # });
/// ```
#[macro_export]
macro_rules! try_join {
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
                        if let $crate::macros::support::Some($crate::macros::support::Err(_)) = future.as_mut().output() {
                            return match future.as_mut().take() {
                                $crate::macros::support::Err(error) => $crate::macros::support::Ready($crate::macros::support::Err(error)),
                                $crate::macros::support::Ok(_) => unreachable!(),
                            };
                        }
                    }
                )*
            }
            first = first.wrapping_add($turn) % count;
            if all {
                $crate::macros::support::Ready($crate::macros::support::Ok(($({
                    let ($($skip,)* future, ..) = &mut futures;
                    match future.as_mut().take() {
                        $crate::macros::support::Ok(output) => output,
                        $crate::macros::support::Err(_) => unreachable!(),
                    }
                },)*)))
            } else {
                $crate::macros::support::Pending
            }
        })
        .await;
        outputs
    }};
    (@ { turn = $turn:expr; ($($count:tt)*); $($done:tt)* } $future:expr, $($rest:tt)*) => {
        $crate::try_join!(@ { turn = $turn; ($($count)* _); $($done)* ($($count)*) $future, } $($rest)*)
    };
    (biased; $($future:expr),+ $(,)?) => {
        $crate::try_join!(@ { turn = 0; (); } $($future,)+)
    };
    ($($future:expr),+ $(,)?) => {
        $crate::try_join!(@ { turn = 1; (); } $($future,)+)
    };
    (biased; $(,)?) => { async { $crate::macros::support::Ok(()) }.await };
    () => { async { $crate::macros::support::Ok(()) }.await };
    ($($other:tt)*) => {
        compile_error!("`try_join!` takes futures, with commas between them: `try_join!(a, b)`")
    };
}
