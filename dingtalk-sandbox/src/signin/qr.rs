//! A QR code as a picture.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// An SVG picture of the text, black on white with its quiet zone, with this name for who cannot see it. `None` when the text is
/// too long for a QR code.
pub(super) fn svg(text: &str, name: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let size = width + 2 * QUIET;
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, next| one == next) {
            if run.first() == Some(&Color::Dark) {
                // Writing to a String cannot fail.
                let _ = write!(
                    path,
                    "M{} {}h{}v1h-{}z",
                    x + QUIET,
                    y + QUIET,
                    run.len(),
                    run.len()
                );
            }
            x += run.len();
        }
    }
    Some(format!(
        "<svg class=\"qr\" role=\"img\" aria-label=\"{name}\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>",
        name = crate::page::escape(name),
    ))
}

/// White modules around the code, as the standard asks for.
const QUIET: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Paints what the picture's path says, four dots a module, and reads it as a phone does.
    fn read(svg: &str) -> String {
        let size: usize = svg
            .split("viewBox=\"0 0 ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let path = svg
            .split("path d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let mut dark = vec![false; size * size];
        for run in path.split('M').skip(1) {
            let numbers: Vec<usize> = run
                .split(|letter: char| !letter.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .collect();
            dark[numbers[1] * size + numbers[0]..][..numbers[2]].fill(true);
        }
        let dots = 4;
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(size * dots, size * dots, |x, y| {
                if dark[y / dots * size + x / dots] {
                    0
                } else {
                    255
                }
            });
        let grids = image.detect_grids();
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_phone_reads_what_was_drawn() {
        for text in [
            "http://127.0.0.1:7070/phone/0123456789abcdef0123456789abcdef",
            "x",
        ] {
            assert_eq!(read(&svg(text, "QR").unwrap()), text);
        }
    }

    #[test]
    fn a_text_too_long_has_no_picture() {
        assert_eq!(svg(&"x".repeat(5000), ""), None);
    }
}
