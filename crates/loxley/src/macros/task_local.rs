//! `task_local!`.

/// Declares variables of which each task has its own: see [`LocalKey`](crate::task::LocalKey).
///
/// ```
/// loxley::task_local! {
///     /// Who asked.
///     pub static USER: &'static str;
///     static REQUEST: u64;
/// }
///
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let name = USER.scope("robin", async { USER.get() }).await;
/// assert_eq!(name, "robin");
/// assert!(REQUEST.try_with(|_| ()).is_err());
/// # });
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $crate::task_local!(@ $(#[$attribute])* $vis static $name: $type);
        $crate::task_local!($($rest)*);
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty) => {
        $crate::task_local!(@ $(#[$attribute])* $vis static $name: $type);
    };
    (@ $(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty) => {
        $(#[$attribute])*
        $vis static $name: $crate::task::LocalKey<$type> = {
            ::std::thread_local! {
                static VALUE: ::std::cell::RefCell<::std::option::Option<$type>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::task::LocalKey::__new(&VALUE)
        };
    };
}
