//! Making a list that fails shorter.

/// The shortest list found that still fails: parts are left out, at first large ones, as long as one can be missed.
pub fn shrunk<T: Clone>(list: &[T], fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut list = list.to_vec();
    let mut part = list.len().div_ceil(2);
    while part > 0 {
        let mut missed = false;
        let mut at = 0;
        while at < list.len() {
            let mut shorter = list.clone();
            shorter.drain(at..list.len().min(at + part));
            if fails(&shorter) {
                list = shorter;
                missed = true;
            } else {
                at += part;
            }
        }
        // With single elements it goes on until none can be missed: one may have been needed by another that is gone.
        if part > 1 || !missed {
            part /= 2;
        }
    }
    list
}
