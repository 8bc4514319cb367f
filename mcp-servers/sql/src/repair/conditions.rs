//! Conditions taken apart at their ANDs, and put together again.

use sqlparser::ast::{BinaryOperator, Expr};

/// The conditions that a condition joins by AND.
pub(super) fn parts(condition: Expr) -> Vec<Expr> {
    match condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => [parts(*left), parts(*right)].concat(),
        Expr::Nested(inside)
            if matches!(
                &*inside,
                Expr::BinaryOp {
                    op: BinaryOperator::And,
                    ..
                }
            ) =>
        {
            parts(*inside)
        }
        other => vec![other],
    }
}

/// All of some conditions; `None` where there is none.
pub(super) fn joined(parts: Vec<Expr>) -> Option<Expr> {
    let several = parts.len() > 1;
    let held = |part: Expr| match part {
        Expr::BinaryOp {
            op: BinaryOperator::Or | BinaryOperator::Xor,
            ..
        } if several => Expr::Nested(Box::new(part)),
        other => other,
    };
    parts
        .into_iter()
        .map(held)
        .reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::And,
            right: Box::new(right),
        })
}
