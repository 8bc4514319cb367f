//! What the parser's own dialects leave out of the languages: shifts and a general `IS` in SQLite,
//! `!` and `MOD` in MySQL.

use std::any::TypeId;

use sqlparser::ast::{BinaryOperator, Expr, Statement};
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence, SQLiteDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

type Parsed<T> = Option<Result<T, ParserError>>;

/// Answers as another dialect does.
macro_rules! like {
    ($like:ident: $($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        fn dialect(&self) -> TypeId {
            TypeId::of::<$like>()
        }

        $(fn $name(&self, $($argument: $kind),*) -> $result {
            $like {}.$name($($argument),*)
        })*
    };
}

#[derive(Debug)]
pub(crate) struct Sqlite;

impl Dialect for Sqlite {
    like! { SQLiteDialect:
        is_delimited_identifier_start(character: char) -> bool;
        identifier_quote_style(identifier: &str) -> Option<char>;
        is_identifier_start(character: char) -> bool;
        is_identifier_part(character: char) -> bool;
        supports_filter_during_aggregation() -> bool;
        supports_start_transaction_modifier() -> bool;
        supports_in_empty_list() -> bool;
        supports_limit_comma() -> bool;
        supports_asc_desc_in_column_definition() -> bool;
        supports_dollar_placeholder() -> bool;
        supports_notnull_operator() -> bool;
        supports_comma_separated_trim() -> bool;
        supports_numeric_literal_underscores() -> bool;
        parse_statement(parser: &mut Parser) -> Parsed<Statement>;
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, precedence: u8) -> Parsed<Expr> {
        general_is(parser, left, precedence)
            .or_else(|| SQLiteDialect {}.parse_infix(parser, left, precedence))
    }
}

/// `a IS b` and `a IS NOT b` for any two values, which is how SQLite says IS NOT DISTINCT FROM.
fn general_is(parser: &mut Parser, left: &Expr, precedence: u8) -> Parsed<Expr> {
    let word = |token: &Token| match token {
        Token::Word(word) => Some(word.keyword),
        _ => None,
    };
    if word(&parser.peek_token().token) != Some(Keyword::IS) {
        return None;
    }
    let negated = word(&parser.peek_nth_token(1).token) == Some(Keyword::NOT);
    let next = parser.peek_nth_token(if negated { 2 } else { 1 }).token;
    let standard = [
        Keyword::NULL,
        Keyword::TRUE,
        Keyword::FALSE,
        Keyword::UNKNOWN,
        Keyword::DISTINCT,
        Keyword::JSON,
        Keyword::NORMALIZED,
    ];
    if word(&next).is_some_and(|word| standard.contains(&word)) {
        return None;
    }
    parser.next_token();
    if negated {
        parser.next_token();
    }
    let left = Box::new(left.clone());
    Some(parser.parse_subexpr(precedence).map(|right| {
        let right = Box::new(right);
        if negated {
            Expr::IsDistinctFrom(left, right)
        } else {
            Expr::IsNotDistinctFrom(left, right)
        }
    }))
}

#[derive(Debug)]
pub(crate) struct Mysql;

impl Dialect for Mysql {
    like! { MySqlDialect:
        is_identifier_start(character: char) -> bool;
        is_identifier_part(character: char) -> bool;
        is_delimited_identifier_start(character: char) -> bool;
        identifier_quote_style(identifier: &str) -> Option<char>;
        supports_string_literal_backslash_escape() -> bool;
        supports_string_literal_concatenation() -> bool;
        ignores_wildcard_escapes() -> bool;
        supports_numeric_prefix() -> bool;
        supports_bitwise_shift_operators() -> bool;
        supports_multiline_comment_hints() -> bool;
        require_interval_qualifier() -> bool;
        supports_limit_comma() -> bool;
        supports_create_table_select() -> bool;
        supports_insert_set() -> bool;
        supports_user_host_grantee() -> bool;
        is_table_factor_alias(explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool;
        supports_table_hints() -> bool;
        requires_single_line_comment_whitespace() -> bool;
        supports_match_against() -> bool;
        supports_select_modifiers() -> bool;
        supports_set_names() -> bool;
        supports_comma_separated_set_assignments() -> bool;
        supports_update_order_by() -> bool;
        supports_data_type_signed_suffix() -> bool;
        supports_cross_join_constraint() -> bool;
        supports_double_ampersand_operator() -> bool;
        supports_binary_kw_as_cast() -> bool;
        supports_comment_optimizer_hint() -> bool;
        supports_constraint_keyword_without_name() -> bool;
        supports_key_column_option() -> bool;
        supports_group_by_with_modifier() -> bool;
        supports_left_associative_joins_without_parens() -> bool;
        parse_statement(parser: &mut Parser) -> Parsed<Statement>;
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn get_next_precedence(&self, parser: &Parser) -> Parsed<u8> {
        is_mod(parser).then(|| Ok(self.prec_value(Precedence::MulDivModOp)))
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, precedence: u8) -> Parsed<Expr> {
        if !is_mod(parser) {
            return MySqlDialect {}.parse_infix(parser, left, precedence);
        }
        parser.next_token();
        let left = Box::new(left.clone());
        Some(
            parser
                .parse_subexpr(precedence)
                .map(|right| Expr::BinaryOp {
                    left,
                    op: BinaryOperator::Modulo,
                    right: Box::new(right),
                }),
        )
    }
}

fn is_mod(parser: &Parser) -> bool {
    let next = parser.peek_token().token;
    matches!(&next, Token::Word(word) if word.quote_style.is_none()
        && word.value.eq_ignore_ascii_case("mod"))
}
