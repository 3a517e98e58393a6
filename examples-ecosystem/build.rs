//! Makes the client and the server of proto/guild.proto. Needs protoc (Debian's protobuf-compiler).

fn main() -> std::io::Result<()> {
    tonic_prost_build::compile_protos("proto/guild.proto")
}
