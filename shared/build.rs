//! Generates the command format's types from `proto/command.proto`, with a protobuf compiler that is itself a Rust crate.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/command.proto");
    let descriptors = protox::compile(["proto/command.proto"], ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
