//! Expressions: which there may be, what they call, and which operators they have.

use sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, Ident, ObjectName, ObjectNamePart, UnaryOperator,
};

use crate::dialect::Dialect;
use crate::guard::nodes::clauses::wildcard;
use crate::guard::nodes::words::words;
use crate::guard::nodes::{Nodes, foreign, none};
use crate::guard::{Refusal, functions};

impl Nodes<'_> {
    pub(super) fn expression(&self, expression: &Expr) -> Result<(), Refusal> {
        match expression {
            Expr::Function(function) => self.call(function),
            Expr::BinaryOp { op, .. }
            | Expr::AnyOp { compare_op: op, .. }
            | Expr::AllOp { compare_op: op, .. } => operator(op),
            Expr::UnaryOp { op, expr: _ } => match op {
                UnaryOperator::DoubleAt
                | UnaryOperator::Hash
                | UnaryOperator::QuestionDash
                | UnaryOperator::QuestionPipe
                | UnaryOperator::AtDashAt
                | UnaryOperator::BangNot
                | UnaryOperator::BitwiseNot
                | UnaryOperator::Plus
                | UnaryOperator::Minus
                | UnaryOperator::Not
                | UnaryOperator::PGAbs
                | UnaryOperator::PGCubeRoot
                | UnaryOperator::PGPostfixFactorial
                | UnaryOperator::PGPrefixFactorial
                | UnaryOperator::PGSquareRoot => Ok(()),
            },
            Expr::Cast { data_type, .. } => self.data_type(data_type),
            Expr::Convert {
                data_type, is_try, ..
            } => {
                none(*is_try, "TRY_CONVERT")?;
                data_type
                    .as_ref()
                    .map_or(Ok(()), |kind| self.data_type(kind))
            }
            Expr::TypedString(string) => self.data_type(&string.data_type),
            Expr::CompoundFieldAccess {
                root: _,
                access_chain,
            } => access_chain.iter().try_for_each(|access| match access {
                AccessExpr::Dot(_) | AccessExpr::Subscript(_) => Ok(()),
            }),
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::IsJson { .. }
            | Expr::IsNormalized { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::RLike { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Collate { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::Interval(_)
            | Expr::MatchAgainst { .. }
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..)
            | Expr::MemberOf(_) => Ok(()),
            Expr::Prefixed { prefix, value: _ } => self.introducer(prefix),
            Expr::JsonAccess { .. } => Err(foreign("a path after `:`")),
            Expr::InUnnest { .. } => Err(foreign("IN UNNEST")),
            Expr::Struct { .. } => Err(foreign("STRUCT")),
            Expr::Named { .. } => Err(foreign("a field with a name")),
            Expr::Dictionary(_) => Err(foreign("a dictionary")),
            Expr::Map(_) => Err(foreign("MAP")),
            Expr::OuterJoin(_) => Err(foreign("`(+)`")),
            Expr::Prior(_) => Err(foreign("PRIOR")),
            Expr::Lambda(_) => Err(foreign("a lambda")),
        }
    }

    /// A character set before a text, as MySQL has it.
    fn introducer(&self, prefix: &Ident) -> Result<(), Refusal> {
        let known = [
            "_utf8", "_utf8mb4", "_utf8mb3", "_latin1", "_ascii", "_binary",
        ];
        let name = prefix.value.to_lowercase();
        // Others have characters that end in a backslash, which hides the end of a text.
        let allowed = self.dialect == Dialect::Mysql && known.contains(&name.as_str());
        none(!allowed, &format!("`{}` before a text", prefix.value))
    }

    fn call(&self, function: &Function) -> Result<(), Refusal> {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            within_group: _,
            filter: _,
            null_treatment: _,
            over: _,
        } = function;
        none(*uses_odbc_syntax, "`{fn …}`")?;
        none(
            !matches!(parameters, FunctionArguments::None),
            "a function with two lists of arguments",
        )?;
        match args {
            FunctionArguments::None => {}
            // ARRAY(SELECT …) is written like a function.
            FunctionArguments::Subquery(_) if is_array(name) => return Ok(()),
            FunctionArguments::Subquery(_) => {
                return Err(foreign("a query as the argument of a function"));
            }
            FunctionArguments::List(list) => {
                list.args.iter().try_for_each(argument)?;
                list.clauses.iter().try_for_each(|clause| match clause {
                    FunctionArgumentClause::OrderBy(_)
                    | FunctionArgumentClause::Limit(_)
                    | FunctionArgumentClause::Separator(_)
                    | FunctionArgumentClause::IgnoreOrRespectNulls(_)
                    | FunctionArgumentClause::JsonNullClause(_)
                    | FunctionArgumentClause::OnOverflow(_) => Ok(()),
                    FunctionArgumentClause::JsonReturningClause(clause) => {
                        self.data_type(&clause.data_type)
                    }
                    FunctionArgumentClause::Where(_) | FunctionArgumentClause::Having(_) => {
                        Err(foreign("WHERE or HAVING inside of a function"))
                    }
                })?;
            }
        }
        self.function(name)
    }

    pub(super) fn function(&self, name: &ObjectName) -> Result<(), Refusal> {
        functions::check(&words(name)?, self.dialect, self.rules)
    }

    /// Types that only hold values. Those of PostgreSQL's catalogue look things up in it.
    fn data_type(&self, kind: &DataType) -> Result<(), Refusal> {
        let told = kind.to_string().to_lowercase();
        let last = told.rsplit('.').next().unwrap_or_default();
        let looks_up = last.trim_matches('"').starts_with("reg");
        none(looks_up, &format!("the type `{kind}`"))
    }
}

fn is_array(name: &ObjectName) -> bool {
    let array =
        |ident: &Ident| ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("array");
    matches!(name.0.as_slice(), [ObjectNamePart::Identifier(ident)] if array(ident))
}

pub(super) fn argument(argument: &FunctionArg) -> Result<(), Refusal> {
    let given = match argument {
        FunctionArg::Named { arg, .. } | FunctionArg::Unnamed(arg) => arg,
        FunctionArg::ExprNamed { .. } => return Err(foreign("a name that is computed")),
    };
    match given {
        FunctionArgExpr::Expr(_)
        | FunctionArgExpr::QualifiedWildcard(_)
        | FunctionArgExpr::Wildcard => Ok(()),
        FunctionArgExpr::WildcardWithOptions(options) => wildcard(options),
    }
}

/// Those that are built in. One that somebody defined runs whatever function is behind it.
fn operator(operator: &BinaryOperator) -> Result<(), Refusal> {
    match operator {
        BinaryOperator::Assignment => Err(Refusal::new(
            "`:=` changes a variable of the session",
            "write it without",
        )),
        BinaryOperator::Custom(_) | BinaryOperator::PGCustomBinaryOperator(_) => Err(foreign(
            "an operator that the database does not bring along",
        )),
        BinaryOperator::DuckIntegerDivide => Err(foreign("`//`")),
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::StringConcat
        | BinaryOperator::Gt
        | BinaryOperator::Lt
        | BinaryOperator::GtEq
        | BinaryOperator::LtEq
        | BinaryOperator::Spaceship
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::Xor
        | BinaryOperator::BitwiseOr
        | BinaryOperator::BitwiseAnd
        | BinaryOperator::BitwiseXor
        | BinaryOperator::MyIntegerDivide
        | BinaryOperator::Match
        | BinaryOperator::Regexp
        | BinaryOperator::Glob
        | BinaryOperator::PGBitwiseXor
        | BinaryOperator::PGBitwiseShiftLeft
        | BinaryOperator::PGBitwiseShiftRight
        | BinaryOperator::PGExp
        | BinaryOperator::PGOverlap
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch
        | BinaryOperator::PGLikeMatch
        | BinaryOperator::PGILikeMatch
        | BinaryOperator::PGNotLikeMatch
        | BinaryOperator::PGNotILikeMatch
        | BinaryOperator::PGStartsWith
        | BinaryOperator::Arrow
        | BinaryOperator::LongArrow
        | BinaryOperator::HashArrow
        | BinaryOperator::HashLongArrow
        | BinaryOperator::AtAt
        | BinaryOperator::AtArrow
        | BinaryOperator::ArrowAt
        | BinaryOperator::HashMinus
        | BinaryOperator::AtQuestion
        | BinaryOperator::Question
        | BinaryOperator::QuestionAnd
        | BinaryOperator::QuestionPipe
        | BinaryOperator::Overlaps
        | BinaryOperator::DoubleHash
        | BinaryOperator::LtDashGt
        | BinaryOperator::AndLt
        | BinaryOperator::AndGt
        | BinaryOperator::LtLtPipe
        | BinaryOperator::PipeGtGt
        | BinaryOperator::AndLtPipe
        | BinaryOperator::PipeAndGt
        | BinaryOperator::LtCaret
        | BinaryOperator::GtCaret
        | BinaryOperator::QuestionHash
        | BinaryOperator::QuestionDash
        | BinaryOperator::QuestionDashPipe
        | BinaryOperator::QuestionDoublePipe
        | BinaryOperator::At
        | BinaryOperator::TildeEq => Ok(()),
    }
}
