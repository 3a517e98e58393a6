#[loxley::main]
fn main() {}
