//! Processes that did the same are shown together.

use super::line::Line;

/// What one process did.
#[derive(Debug)]
pub struct Block {
    /// Who this is, such as `4711 (LOCAL_RANK=1)`.
    pub who: String,
    /// The device, if this is about one.
    pub place: String,
    /// What runs in it.
    pub title: String,
    /// What it did.
    pub body: Vec<Line>,
}

/// Blocks with the same place, title and body.
#[derive(Debug)]
pub struct Group {
    /// Who they are.
    pub who: Vec<String>,
    pub place: String,
    pub title: String,
    /// The body of the first one.
    pub body: Vec<Line>,
    key: Vec<String>,
}

/// Groups blocks, in the order in which the first of each group comes.
pub fn fold(blocks: impl IntoIterator<Item = Block>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Block { who, place, title, body } in blocks {
        let key: Vec<String> = body.iter().map(Line::key).collect();
        let same =
            |group: &&mut Group| group.place == place && group.title == title && group.key == key;
        match groups.iter_mut().find(same) {
            Some(group) => group.who.push(who),
            None => groups.push(Group { who: vec![who], place, title, body, key }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::{Block, Line, fold};

    #[test]
    fn blocks_that_differ_in_times_only_are_one_group() {
        let block = |who: &str, title: &str, library: &str, time: &str| Block {
            who: who.to_owned(),
            place: "device 0".to_owned(),
            title: title.to_owned(),
            body: vec![Line::indented(2).text(library).varying(time)],
        };
        let groups = fold([
            block("1", "a", "libx", "0.1 s"),
            block("2", "a", "liby", "0.1 s"),
            block("3", "a", "libx", "0.2 s"),
            block("4", "b", "libx", "0.1 s"),
        ]);
        let who: Vec<_> = groups.iter().map(|group| group.who.join(" ")).collect();
        assert_eq!(who, ["1 3", "2", "4"]);
        assert_eq!(groups[0].body[0].to_string(), "  libx0.1 s");
    }
}
