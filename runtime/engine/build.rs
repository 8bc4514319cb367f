//! Files that are added to the shipped definitions make a new program.

fn main() {
    for folder in ["agents", "graphs", "prompts"] {
        println!("cargo::rerun-if-changed=../../{folder}");
    }
}
