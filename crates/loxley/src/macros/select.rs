//! `select!`.
//!
//! A branch is brought into one form, `(skip) pattern = future, if condition => handler,`, where *skip* is as many
//! underscores as there are branches before it: as a pattern it takes the branch's field out of a tuple, counted it is
//! the branch's number. All futures stand pinned in one tuple; the output of the one that is ready goes back in its
//! field of another tuple, so that the handlers stand outside the closure, in the caller's own function, and may
//! `return`, `break` and `await`.

/// Waits for the first of several futures whose output matches its pattern, and runs its handler. The other futures
/// are dropped.
///
/// ```text
/// select! {
///     biased;                                     // optional
///     pattern = future => handler,
///     pattern = future, if condition => handler,  // up to 64 branches
///     else => handler,                            // optional
/// }
/// ```
///
/// 1. Conditions are evaluated; a branch whose condition is false is disabled.
/// 2. Future expressions are evaluated, also those of disabled branches.
/// 3. The enabled futures are polled, all on this task; beginning with one that is chosen at random, or, with
///    `biased;`, from above.
/// 4. If an output matches its pattern, the handler runs, and its value is the value of the whole. Otherwise the branch
///    is disabled.
/// 5. When all branches are disabled, the `else` handler runs.
///
/// # Panics
///
/// If all branches are disabled and there is no `else`.
///
/// # Cancellation
///
/// A future that is not first is dropped in the middle. In a loop that is safe with what says so in its section
/// *Cancellation*; a future that must go on stands outside, pinned, and is given as `&mut future`.
///
/// # Fairness
///
/// With `biased;` a branch that is always ready keeps all below it from ever being polled.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::{mpsc, oneshot};
///
/// let (sender, mut messages) = mpsc::channel(1);
/// let (_stop, mut stopped) = oneshot::channel::<()>();
/// sender.send(5).await.unwrap();
///
/// let got = loxley::select! {
///     Some(message) = messages.recv() => message,
///     _ = &mut stopped => 0,
///     else => panic!("all senders are gone"),
/// };
/// assert_eq!(got, 5);
/// # });
/// ```
///
/// With conditions and `else`:
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (one, two) = (Some(1), None::<u8>);
/// let sum = loxley::select! {
///     biased;
///     Some(two) = async { two } => two,
///     one = async { one.unwrap() }, if one.is_some() => one + 10,
///     else => 0,
/// };
/// assert_eq!(sum, 11);
/// # });
/// ```
#[macro_export]
macro_rules! select {
    // All branches are in form.
    (@ {
        start = $start:expr;
        ($($count:tt)*)
        $(($($skip:tt)*) $pattern:pat = $future:expr, if $condition:expr => $handler:expr,)+
        ; $else:expr
    }) => {{
        // The number of branches, and a bit for each that is disabled. No constants here: the caller's expressions
        // would see their names.
        let branches: u32 = 0 $(+ { let _ = stringify!($count); 1 })*;
        let mut disabled: u64 = 0;
        $(
            if !$condition {
                disabled |= 1 << { const NUMBER: u32 = 0 $(+ { let _ = stringify!($skip); 1 })*; NUMBER };
            }
        )+
        let nothing = || ($({ let _ = stringify!($count); $crate::macros::support::None },)*);
        let outputs = {
            let mut futures = ($(
                $crate::macros::support::pin!(
                    $crate::macros::support::IntoFuture::into_future($future)
                ),
            )+);
            let first = $crate::macros::support::poll_fn(|cx| {
                if $crate::macros::support::poll_budget(cx).is_pending() {
                    return $crate::macros::support::Pending;
                }
                let mut waits = false;
                let start: u32 = $start(branches);
                for turn in 0..branches {
                    let number = (start + turn) % branches;
                    if disabled & (1 << number) != 0 {
                        continue;
                    }
                    $(
                        if number == { const NUMBER: u32 = 0 $(+ { let _ = stringify!($skip); 1 })*; NUMBER } {
                            let ($($skip,)* future, ..) = &mut futures;
                            let future = future.as_mut();
                            let output = match $crate::macros::support::FutureTrait::poll(future, cx) {
                                $crate::macros::support::Ready(output) => output,
                                $crate::macros::support::Pending => {
                                    waits = true;
                                    continue;
                                }
                            };
                            disabled |= 1 << number;
                            #[allow(unused_variables, unreachable_patterns, reason = "only whether it matches")]
                            match &output {
                                $crate::macros::support::select_pattern!($pattern) => {}
                                _ => continue,
                            }
                            let mut outputs = nothing();
                            {
                                let ($($skip,)* place, ..) = &mut outputs;
                                *place = $crate::macros::support::Some(output);
                            }
                            return $crate::macros::support::Ready(outputs);
                        }
                    )+
                }
                if waits {
                    $crate::macros::support::Pending
                } else {
                    $crate::macros::support::Ready(nothing())
                }
            })
            .await;
            first
        };
        match outputs {
            $(($($skip,)* $crate::macros::support::Some($pattern), ..) => $handler,)+
            _ => $else,
        }
    }};

    // The last thing: `else`, or nothing.
    (@ { start = $start:expr; $($done:tt)* } else => $else:expr $(,)?) => {
        $crate::select!(@ { start = $start; $($done)* ; $else })
    };
    (@ { start = $start:expr; $($done:tt)* }) => {
        $crate::select!(@ {
            start = $start; $($done)*
            ; panic!("all branches are disabled and there is no else branch")
        })
    };

    // Before anything tries to read it as a pattern.
    (@ { $($done:tt)* } else => $else:expr, $($rest:tt)+) => {
        compile_error!("`else` is the last branch of `select!`, and there is one at most")
    };

    // One more branch: with and without a condition, its handler a block or an expression.
    (@ { start = $start:expr; ($($count:tt)*) $($done:tt)* }
        $pattern:pat = $future:expr, if $condition:expr => $handler:block, $($rest:tt)*
    ) => {
        $crate::select!(@ {
            start = $start; ($($count)* _) $($done)*
            ($($count)*) $pattern = $future, if $condition => $handler,
        } $($rest)*)
    };
    (@ { start = $start:expr; ($($count:tt)*) $($done:tt)* }
        $pattern:pat = $future:expr => $handler:block, $($rest:tt)*
    ) => {
        $crate::select!(@ {
            start = $start; ($($count)* _) $($done)*
            ($($count)*) $pattern = $future, if true => $handler,
        } $($rest)*)
    };
    (@ { start = $start:expr; ($($count:tt)*) $($done:tt)* }
        $pattern:pat = $future:expr, if $condition:expr => $handler:block $($rest:tt)*
    ) => {
        $crate::select!(@ {
            start = $start; ($($count)* _) $($done)*
            ($($count)*) $pattern = $future, if $condition => $handler,
        } $($rest)*)
    };
    (@ { start = $start:expr; ($($count:tt)*) $($done:tt)* }
        $pattern:pat = $future:expr => $handler:block $($rest:tt)*
    ) => {
        $crate::select!(@ {
            start = $start; ($($count)* _) $($done)*
            ($($count)*) $pattern = $future, if true => $handler,
        } $($rest)*)
    };
    (@ { start = $start:expr; ($($count:tt)*) $($done:tt)* }
        $pattern:pat = $future:expr, if $condition:expr => $handler:expr
    ) => {
        $crate::select!(@ {
            start = $start; ($($count)* _) $($done)*
            ($($count)*) $pattern = $future, if $condition => $handler,
        })
    };
    (@ { start = $start:expr; ($($count:tt)*) $($done:tt)* }
        $pattern:pat = $future:expr => $handler:expr
    ) => {
        $crate::select!(@ {
            start = $start; ($($count)* _) $($done)*
            ($($count)*) $pattern = $future, if true => $handler,
        })
    };
    (@ { start = $start:expr; ($($count:tt)*) $($done:tt)* }
        $pattern:pat = $future:expr, if $condition:expr => $handler:expr, $($rest:tt)*
    ) => {
        $crate::select!(@ {
            start = $start; ($($count)* _) $($done)*
            ($($count)*) $pattern = $future, if $condition => $handler,
        } $($rest)*)
    };
    (@ { start = $start:expr; ($($count:tt)*) $($done:tt)* }
        $pattern:pat = $future:expr => $handler:expr, $($rest:tt)*
    ) => {
        $crate::select!(@ {
            start = $start; ($($count)* _) $($done)*
            ($($count)*) $pattern = $future, if true => $handler,
        } $($rest)*)
    };

    // What fits nowhere: without these it would come in again at the last way in, and so for ever.
    (@ { $($done:tt)* } $first:tt $($rest:tt)*) => {
        compile_error!(concat!(
            "`select!` cannot read the branch that begins with `", stringify!($first),
            "`: it wants `pattern = future => handler`, and a comma after a handler that is no block"
        ))
    };

    // The ways in.
    () => {
        compile_error!("`select!` wants at least one branch: `pattern = future => handler`")
    };
    (biased; $(,)?) => { $crate::select!() };
    (biased; else => $else:expr $(,)?) => { $else };
    (else => $else:expr $(,)?) => { $else };
    (biased; $($branches:tt)+) => {
        $crate::select!(@ { start = (|_: u32| 0); () } $($branches)+)
    };
    ($($branches:tt)+) => {
        $crate::select!(@ { start = $crate::macros::support::random; () } $($branches)+)
    };
}
