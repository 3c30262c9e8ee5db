//! Lives here: that the binary holds every file of the page and of the client library, and that both
//! have the same villages.

use std::collections::BTreeSet;
use std::fs;

#[test]
fn every_file_of_the_page_is_embedded() {
    let mut files = BTreeSet::new();
    for (folder, only) in [("page", ""), ("../../clients/js", ".js")] {
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            if file.file_type().unwrap().is_file() && name.ends_with(only) {
                files.insert(name.replace("index.html", ""));
            }
        }
    }
    let embedded = meadow::PAGE
        .iter()
        .map(|asset| asset.path.trim_start_matches('/').to_owned());
    assert_eq!(embedded.collect::<BTreeSet<_>>(), files);
}

#[test]
fn the_page_knows_the_villages() {
    let terrain = fs::read_to_string("page/terrain.js").unwrap();
    for (name, well) in meadow::VILLAGE_NAMES.iter().zip(meadow::VILLAGES) {
        let village = format!("{{ x: {}, y: {}, name: \"{name}\" }}", well.x, well.y);
        assert!(terrain.contains(&village), "{village}");
    }
}
