async fn five() -> Result<u8, ()> {
    Ok(5)
}

async fn no_comma() {
    loxley::join!(five() five());
}

async fn a_semicolon() {
    loxley::try_join!(five(); five());
}

fn main() {}
