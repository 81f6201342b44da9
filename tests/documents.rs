//! The documents against the repository: what they name exists, and what exists has its place in the design.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (vec![], vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let hidden = path.file_name().unwrap().as_encoded_bytes().starts_with(b".");
            if path.is_dir() && !hidden && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_source_file_has_a_room_in_the_design() {
    let design = fs::read_to_string(root().join("docs/DESIGN.md")).unwrap();
    let sources = files("src", "rs");
    assert!(sources.len() > 50);
    for source in sources {
        let inside = source.strip_prefix(root().join("src")).unwrap().with_extension("");
        let (folder, name) =
            (inside.parent().unwrap().to_str().unwrap(), inside.file_name().unwrap().to_str().unwrap());
        // Rows of the table begin with the folder, or with the files at the top.
        let named =
            |text: &str, name: &str| text.contains(&format!("`{name}`")) || text.contains(&format!("`{name}/`"));
        let room = |row: &str| {
            let first = row.split('|').nth(1).unwrap_or_default();
            if folder.is_empty() { named(first, name) } else { named(first, folder) && named(row, name) }
        };
        assert!(design.lines().filter(|line| line.starts_with('|')).any(room), "{} has no room", inside.display());
    }
}

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for document in files(".", "md") {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") {
                assert!(document.parent().unwrap().join(target).exists(), "{}: {target}", document.display());
                links += 1;
            }
        }
    }
    assert!(links > 20, "{links}");
}

/// The listing is what the library prints.
#[test]
fn the_design_shows_todays_code() {
    let design = fs::read_to_string(root().join("docs/DESIGN.md")).unwrap();
    let layer = lrn_jit::LrnConfig::new(2).beta(1.0).width(lrn_jit::Width::W128).build().unwrap();
    let listing = layer.clif_of_one_channel();
    // Where the host's calling convention is another, so is the first line.
    if listing.contains("system_v") {
        assert!(design.contains(listing.trim_end()), "docs/DESIGN.md shows other code than:\n{listing}");
    }
}
