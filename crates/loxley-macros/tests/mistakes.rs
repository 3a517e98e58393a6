//! What the compiler says of mistakes in `#[main]`, `#[test]`, `select!`, `join!` and `try_join!`: our sentence, at the
//! place of the mistake, and nothing else.
//!
//! Every message of the attributes is in the unit tests of `entry.rs`; here some of them are shown by the compiler, to who made
//! the mistake.
//! `TRYBUILD=overwrite` writes the `.stderr` files anew.

#[test]
fn a_mistake_is_told_in_one_sentence_at_its_place() {
    trybuild::TestCases::new().compile_fail("tests/mistakes/*.rs");
}
