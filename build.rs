//! Pages that are added to the shipped documentation make a new program.

fn main() {
    println!("cargo::rerun-if-changed=docs");
}
