use super::*;
use proptest::prelude::*;

/// Numbers that look like weights: many small, some large.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next() + next() * next() * 3.0).collect()
}

fn quantised(dtype: GgmlDType, n: usize, k: usize, seed: u64) -> QTensor {
    let values = Tensor::from_vec(numbers(seed, n * k), (n, k), &Device::Cpu).unwrap();
    QTensor::quantize(&values, dtype).unwrap()
}

fn matrix(team: &Team, tensor: &QTensor) -> Matrix {
    let (n, k) = tensor.shape().dims2().unwrap();
    let data = tensor.data().unwrap();
    let size = row_bytes(tensor.dtype(), k);
    Matrix::read(team, tensor.dtype(), (n, k), |rows, bytes| {
        bytes.clear();
        bytes.extend_from_slice(&data[rows.start * size..rows.end * size]);
        Ok(())
    })
    .unwrap()
}

/// The product in f64 of the dequantised weights with exact inputs.
fn exact(tensor: &QTensor, inputs: &[f32]) -> Vec<f64> {
    let (_, k) = tensor.shape().dims2().unwrap();
    let weights = tensor.dequantize(&Device::Cpu).unwrap();
    let weights = weights.to_vec2::<f32>().unwrap();
    inputs
        .chunks(k)
        .flat_map(|input| {
            weights.iter().map(move |row| {
                row.iter()
                    .zip(input)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum()
            })
        })
        .collect()
}

const KINDS: [GgmlDType; 10] = [
    GgmlDType::Q8_0,
    GgmlDType::Q4_0,
    GgmlDType::Q5_0,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
    GgmlDType::Q2K,
    GgmlDType::F32,
    GgmlDType::F16,
    GgmlDType::BF16,
];

/// How far a product may be from the exact one, as a share of the typical size of products:
/// inputs are rounded to 8 bits for quantised weights.
fn check(team: &Team, dtype: GgmlDType, (m, n, k): (usize, usize, usize), seed: u64) {
    let tensor = quantised(dtype, n, k, seed);
    let matrix = matrix(team, &tensor);
    let inputs = numbers(seed + 1, m * k);
    let wanted = exact(&tensor, &inputs);
    let mut got = vec![f32::NAN; m * n];
    let prepared = Activations::new(team, &inputs, k, &[matrix.form()]);
    matrix.multiply(team, &prepared, &mut got).unwrap();
    let size = (wanted.iter().map(|v| v * v).sum::<f64>() / wanted.len() as f64).sqrt();
    let bound = match dtype {
        GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 if team.vnni() => 1e-4,
        _ => 0.05,
    };
    for (at, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
        let off = (f64::from(*got) - wanted).abs() / size;
        assert!(
            off < bound,
            "{dtype:?} {m}x{n}x{k} at {at}: {got} for {wanted}"
        );
    }
    let rows = tensor
        .dequantize(&Device::Cpu)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    for row in [0, n / 2, n - 1] {
        let mut values = vec![f32::NAN; k];
        matrix.row(row, &mut values).unwrap();
        for (got, wanted) in values.iter().zip(&rows[row]) {
            assert!(
                (got - wanted).abs() <= wanted.abs() * 1e-5 + 1e-7,
                "{dtype:?}: {got} {wanted}"
            );
        }
    }
}

#[test]
fn every_kind_multiplies_like_its_numbers() {
    for team in [Team::new(2), Team::without_vnni(2)] {
        for dtype in KINDS {
            for shape in [
                (1, 16, 256),
                (1, 80, 512),
                (2, 33, 256),
                (6, 48, 768),
                (13, 97, 256),
            ] {
                check(&team, dtype, shape, 7);
            }
        }
    }
}

#[test]
fn short_inputs_are_padded() {
    check(&Team::new(1), GgmlDType::Q8_0, (3, 20, 96), 3);
    check(&Team::new(1), GgmlDType::F16, (3, 20, 33), 3);
}

#[test]
fn inputs_of_another_size_are_refused() {
    let team = Team::new(1);
    let matrix = matrix(&team, &quantised(GgmlDType::Q8_0, 16, 64, 1));
    let prepared = Activations::new(&team, &[0.0; 32], 32, &[Form::Block32]);
    let mut out = [0.0; 16];
    assert!(matrix.multiply(&team, &prepared, &mut out).is_err());
    let prepared = Activations::new(&team, &[0.0; 64], 64, &[Form::Float]);
    let failed = matrix.multiply(&team, &prepared, &mut out);
    assert_eq!(failed.is_err(), team.vnni());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_shape_multiplies_like_its_numbers(
        m in 1_usize..9, n in 1_usize..70, blocks in 1_usize..4, kind in 0..KINDS.len(), seed in 0_u64..1000,
    ) {
        check(&Team::new(2), KINDS[kind], (m, n, blocks * 256), seed);
    }
}
