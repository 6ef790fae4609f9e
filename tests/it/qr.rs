//! Reads QR codes with a decoder that has nothing to do with the program's encoder.

use image::{GrayImage, Luma};

/// The text in a PNG's QR code.
pub(crate) fn decode_png(png: &[u8]) -> String {
    decode(image::load_from_memory_with_format(png, image::ImageFormat::Png).unwrap().to_luma8())
}

/// What a terminal gets before and after each line of a QR code, if it shows colors.
pub(crate) const BLACK_ON_WHITE: [&str; 2] = ["\u{1b}[38;5;16;48;5;231m", "\u{1b}[0m"];

/// The text in a QR code that is drawn with half blocks.
pub(crate) fn decode_terminal(drawing: &str) -> String {
    const PIXELS: u32 = 4;
    let lines: Vec<Vec<char>> = drawing
        .lines()
        .map(|line| BLACK_ON_WHITE.into_iter().fold(line.to_owned(), |line, code| line.replace(code, "")))
        .filter(|line| !line.is_empty() && line.chars().all(|character| "█▀▄ ".contains(character)))
        .map(|line| line.chars().collect())
        .collect();
    let (width, height) = (lines[0].len() as u32, lines.len() as u32 * 2);
    let picture = GrayImage::from_fn(width * PIXELS, height * PIXELS, |x, y| {
        let (column, row) = ((x / PIXELS) as usize, y / PIXELS);
        let dark = match lines[row as usize / 2][column] {
            '█' => true,
            '▀' => row % 2 == 0,
            '▄' => row % 2 == 1,
            ' ' => false,
            other => panic!("{other:?} in a QR code"),
        };
        Luma([if dark { 0 } else { 255 }])
    });
    decode(picture)
}

fn decode(picture: GrayImage) -> String {
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "one QR code");
    grids[0].decode().unwrap().1
}
