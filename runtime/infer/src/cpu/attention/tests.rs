use super::*;
use crate::kv::KvShape;
use proptest::prelude::*;

struct Case {
    shape: AttentionShape,
    /// Tokens before the batch, tokens of the batch, for each sequence.
    sequences: Vec<(usize, usize)>,
    seed: u64,
}

fn number(seed: u64, at: usize) -> f32 {
    let mut x = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (at as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^= x >> 33;
    (x >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Attention as its definition says, in f64, over the same half-precision keys and values.
fn check(team: &Team, case: &Case) {
    let shape = case.shape;
    let kv = KvShape {
        layers: 2,
        heads: shape.kv_heads,
        head: shape.head,
    };
    let kv_width = shape.kv_heads * shape.head;
    let width = shape.heads * shape.head;
    let layer = 1;
    let mut pages = Vec::new();
    let mut rows = 0;
    for (at, (before, count)) in case.sequences.iter().enumerate() {
        let total = before + count;
        let mut own = vec![Page::new(kv); total.div_ceil(PAGE)];
        let key = |token: usize, i: usize| number(case.seed + 10 * at as u64, token * kv_width + i);
        let value =
            |token: usize, i: usize| number(case.seed + 10 * at as u64 + 5, token * kv_width + i);
        for token in 0..total {
            let keys: Vec<f32> = (0..kv_width).map(|i| key(token, i)).collect();
            let values: Vec<f32> = (0..kv_width).map(|i| value(token, i)).collect();
            own[token / PAGE].write(layer, token % PAGE, &keys, &values);
        }
        pages.push(own);
        rows += count;
    }
    let queries: Vec<f32> = (0..rows * width)
        .map(|i| number(case.seed + 99, i) * 4.0)
        .collect();
    let refs: Vec<Vec<&Page>> = pages.iter().map(|own| own.iter().collect()).collect();
    let mut spans = Vec::new();
    let mut row = 0;
    for ((before, count), pages) in case.sequences.iter().zip(&refs) {
        spans.push(Span {
            row,
            count: *count,
            position: *before,
            pages,
        });
        row += count;
    }
    let mut out = vec![f32::NAN; rows * width];
    attend(team, shape, layer, &spans, &queries, &mut out);
    let group = shape.heads / shape.kv_heads;
    for span in &spans {
        for token in (0..span.count).step_by(5) {
            let of_row = (span.row + token) * width..(span.row + token + 1) * width;
            let alone = Span {
                row: 0,
                count: 1,
                position: span.position + token,
                pages: span.pages,
            };
            let mut row = vec![f32::NAN; width];
            attend(
                team,
                shape,
                layer,
                &[alone],
                &queries[of_row.clone()],
                &mut row,
            );
            assert_eq!(row, out[of_row], "token {token} alone");
        }
        for token in 0..span.count {
            for head in 0..shape.heads {
                let at = (span.row + token) * width + head * shape.head;
                let query = &queries[at..at + shape.head];
                let position = span.position + token;
                let from = shape.window.map_or(0, |w| (position + 1).saturating_sub(w));
                let read = |token: usize, i: usize, keys: bool| {
                    let page = span.pages[token / PAGE].head(layer, head / group);
                    let slot = token % PAGE;
                    f64::from(if keys {
                        page.keys[(slot / 16 * shape.head + i) * 16 + slot % 16].to_f32()
                    } else {
                        page.values[slot * shape.head + i].to_f32()
                    })
                };
                let scores: Vec<f64> = (from..=position)
                    .map(|t| {
                        (0..shape.head)
                            .map(|i| f64::from(query[i] * shape.scale) * read(t, i, true))
                            .sum()
                    })
                    .collect();
                let top = scores.iter().copied().fold(f64::MIN, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
                let total: f64 = weights.iter().sum();
                for i in 0..shape.head {
                    let wanted: f64 = (from..=position)
                        .zip(&weights)
                        .map(|(t, w)| w / total * read(t, i, false))
                        .sum();
                    let got = f64::from(out[at + i]);
                    assert!(
                        (got - wanted).abs() < 2e-4,
                        "token {token} head {head} number {i}: {got} for {wanted}"
                    );
                }
            }
        }
    }
}

fn shape(heads: usize, kv_heads: usize, head: usize, window: Option<usize>) -> AttentionShape {
    AttentionShape {
        heads,
        kv_heads,
        head,
        scale: 1.0 / (head as f32).sqrt(),
        window,
    }
}

#[test]
fn attention_is_what_its_definition_says() {
    for team in [Team::new(2), Team::without_vnni(2)] {
        for shape in [
            shape(4, 2, 64, None),
            shape(3, 3, 80, None),
            shape(8, 1, 128, Some(20)),
            shape(2, 1, 24, Some(1)),
        ] {
            check(
                &team,
                &Case {
                    shape,
                    sequences: vec![(0, 1), (70, 1), (0, 75), (31, 34)],
                    seed: 1,
                },
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_batch_attends_like_the_definition(
        group in 1_usize..5, kv_heads in 1_usize..4, head in 1_usize..6,
        window in proptest::option::of(1_usize..80),
        sequences in proptest::collection::vec((0_usize..90, 1_usize..40), 1..4),
        seed in 0_u64..1000,
    ) {
        let shape = shape(group * kv_heads, kv_heads, head * 16, window);
        check(&Team::new(2), &Case { shape, sequences, seed });
    }
}
