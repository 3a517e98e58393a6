async fn five() -> u8 {
    5
}

async fn nothing() {
    loxley::select! {}
}

async fn no_handler() {
    loxley::select! {
        number = five(),
    }
}

async fn no_comma() {
    loxley::select! {
        one = five() => one
        two = five() => two
    }
}

async fn else_is_not_last() {
    loxley::select! {
        else => 0,
        number = five() => number,
    }
}

async fn two_else() {
    loxley::select! {
        number = five() => number,
        else => 0,
        else => 1,
    }
}

fn main() {}
