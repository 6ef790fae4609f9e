//! Lines that an edit leaves alone end as they did before, in whatever way: a file may mix the ends of Unix and Windows.
//!
//! It never changes a line, only how it ends.

/// The edited text, in which every line that is not new is as it was before: the library ends lines as Unix does, and ends
/// the last one always.
pub(super) fn with_lines_of(text: &str, edited: &str) -> String {
    let old: Vec<_> = text.split_inclusive('\n').collect();
    let new: Vec<_> = edited.split_inclusive('\n').collect();
    let is_same = |(one, other): &(&&str, &&str)| bare(one) == bare(other);
    // From below first: the empty line above a new table is as new as the table.
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(is_same).count();
    let most = old.len().min(new.len()) - tail;
    let head = old.iter().zip(&new).take(most).take_while(is_same).count();

    let mut left = old.iter().take(old.len() - tail).skip(head);
    let between = new.iter().take(new.len() - tail).skip(head).map(|line| {
        let mut ahead = left.clone();
        let Some(same) = ahead.find(|old| bare(old) == bare(line)) else { return bare(line) };
        left = ahead;
        same
    });
    let before = old.iter().take(head).copied();
    let after = old.iter().skip(old.len() - tail).copied();
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let ended = |line: &str| if line.ends_with('\n') { line.to_owned() } else { format!("{line}{end}") };
    let mut whole: String = before.chain(between).chain(after).map(ended).collect();
    if !text.is_empty() && !text.ends_with('\n') {
        whole.truncate(bare(&whole).len());
    }
    whole
}

/// A line without its end.
pub(super) fn bare(line: &str) -> &str {
    line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_new_ends_as_before() {
        for (text, edited, expected) in [
            ("", "a\n", "a\n"),
            ("a", "a\nb\n", "a\nb"),
            ("a\r\nb\n", "a\nb\n", "a\r\nb\n"),
            ("a\nb\r\n", "a\nnew\nb\n", "a\nnew\r\nb\r\n"),
            ("old\r\na\n\nb\r\nold\n", "new\na\n\nb\nnew\n", "new\r\na\n\nb\r\nnew\r\n"),
            ("old\r\na\nold\nb\nold\r\n", "a\nb\n", "a\nb\n"),
            ("old\na\r\nb\nold", "new\na\nnew\nb\n", "new\r\na\r\nnew\r\nb"),
        ] {
            assert_eq!(with_lines_of(text, edited), expected, "{text:?}");
        }
    }
}
