//! Words that decide what is a name and what is said. English; text in other languages is read by
//! its capitals, quotation marks, links and titles alone.

use std::collections::HashSet;
use std::sync::LazyLock;

type Words = HashSet<&'static str>;

/// Words that are no names alone, and that a sentence starts with.
static FUNCTION: LazyLock<Words> = LazyLock::new(|| {
    words(
        "a about above according accordingly across ad additionally after afterwards again \
         against all almost along also although always am among an and another any anyone \
         anything are around as at background based bc bce be because been before being below \
         beside besides between beyond both but by can ce conclusion conclusions consequently \
         could currently despite did directed do does done during each early either every \
         everyone everything except few finally first five following for formerly four from \
         further furthermore generally given had has have he hence her here hers herself him \
         himself his how however i if in including initially inside instead into is it its itself \
         last late later like made many may me meanwhile methods might more moreover most much \
         must my near nearly neither nevertheless next no nobody none nor not nothing now \
         objective objectives of off often on once one only or originally other others otherwise \
         our out outside over overall per perhaps please previously produced recently released \
         results second see seven several shall she should similarly since six so some someone \
         something sometimes soon starring still subsequently such ten than that the their them \
         then there thereafter therefore these they third this those though three through \
         throughout thus to today together toward towards two under unless unlike until up upon \
         us using usually various very via was we well were what whatever when whenever where \
         whereas whether which while who whom whose why will with within without would written \
         yes yet you your",
    )
});

/// Words that stand inside of names.
static CONNECTORS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "af al ap av bin bint da das de del della den der di do dos du e el ibn la las le les los \
         of ten ter the upon van von y zu zum zur",
    )
});

/// What follows a hyphen and does not belong to the name before.
static TAILS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "affiliated area backed based binding born bound built century class containing \
         controlled deficient dependent dominated driven educated era free independent inspired \
         language led level like made mediated negative occupied only operated owned positive \
         produced related ruled speaking specific sponsored style term themed trained type wide \
         winning",
    )
});

/// Before a name, and no part of it. With a full stop or without.
static HONORIFICS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "actor actress author brigadier capt captain chancellor col colonel composer dame \
         director dr emperor empress general gov governor journalist judge justice king lady \
         lieutenant lord lt madame major minister miss mr mrs ms novelist poet president prince \
         princess prof professor queen rev reverend sen senator sgt singer sir sultan",
    )
});

/// Shortened words: the full stop after them ends no sentence.
static ABBREVIATIONS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "al art ave b c ca capt cf co col corp d dr e.g ed eds eg eq est fig fr ft g gen gov hon \
         ie inc jr lt ltd maj mr mrs ms mt no nos op p pp pres prof r rep rev sec sen sgt sr st \
         ste vol vs",
    )
});

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

static DAYS: LazyLock<Words> =
    LazyLock::new(|| words("friday monday saturday sunday thursday tuesday wednesday"));

/// Verbs between two names; the regular past is told by its `-ed`.
static VERBS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "acquires acts amends approves are authored became becomes began begins belongs born \
         bought broke brought built buys came chose cites combines comes comprises contains \
         contracts covers creates defeats depends describes develops died directs drawn drew \
         edits employs features fed fell flows follows fought found founds gave given governs \
         grew had has have heads held hosts implements includes inhibits is joins kept kills \
         known leads led left lies lived lives lost made makes manages married marries met \
         narrates operates overlooks owns plays portrays produces provides publishes ran received \
         regulates remains reports represents requires runs sang sat saw sells sent serves shot \
         sings sold speaks spent spoke stands starring stars stood studies succeeds supplies \
         supports taught teaches told took uses was went were wins won works writes written wrote",
    )
});

/// Words in `-ed` that are no verbs.
static NO_VERBS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "aged bed breed deed feed hundred indeed kindred need red sacred seed shed so-called \
         speed unaided united weed",
    )
});

/// What somebody or something is of another: `son of`, `capital of`.
static NOUNS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "adaptation ally alumnus ancestor architect arrondissement author branch brother \
         candidate capital captain ceo chairman chief child city co-founder coach cofounder \
         commander commune community composer county cousin creator daughter descendant designer \
         director disciple district division editor father founder graduate granddaughter \
         grandson head heir husband king leader manager mayor member minister mother municipality \
         native nephew niece owner parent part patron player president producer province \
         publisher pupil queen region relative resident ruler sequel sibling sister site son \
         spouse student subsidiary suburb successor town tributary uncle village ward widow wife \
         winner writer",
    )
});

/// Small words that a relation may end with.
static PREPOSITIONS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "after against among as at before between by for from in into near of off on over through \
         to under upon with within",
    )
});

/// Documents that are amended, by the word for them in their names.
static INSTRUMENTS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "act addendum agreement amendment annex article bill bylaws charter code constitution \
         contract convention covenant decision decree deed directive document guideline \
         guidelines handbook law lease licence license manual memorandum order ordinance plan \
         policy procedure protocol regulation regulations resolution rfc rule rules schedule \
         specification standard statute terms treaty",
    )
});

/// Whether a word is no name alone.
pub(super) fn function(word: &str) -> bool {
    has(&FUNCTION, word)
}

/// Whether a word in small letters may stand inside of a name.
pub(super) fn connector(word: &str) -> bool {
    has(&CONNECTORS, word)
}

/// Whether a word after a hyphen is none of the name before.
pub(super) fn tail(word: &str) -> bool {
    has(&TAILS, word) || word.len() > 4 && word.ends_with("ed")
}

/// Whether a word goes before a name.
pub(super) fn honorific(word: &str) -> bool {
    has(&HONORIFICS, word)
}

/// Whether a full stop after this word ends no sentence.
pub(super) fn abbreviation(word: &str) -> bool {
    has(&ABBREVIATIONS, &word.to_lowercase())
}

/// The month of this name, from 1.
pub(super) fn month(word: &str) -> Option<i8> {
    let word = word.to_lowercase();
    let found = MONTHS.iter().position(|month| {
        *month == word
            || (word == "sept" && *month == "september")
            || (word.len() == 3 && month.starts_with(&word))
    });
    found.and_then(|at| i8::try_from(at + 1).ok())
}

/// Whether this is the name of a month or of a day of the week.
pub(super) fn calendar(word: &str) -> bool {
    has(&DAYS, word) || MONTHS.contains(&word)
}

/// Whether this reads as a verb.
pub(super) fn verb(word: &str) -> bool {
    has(&VERBS, word) || (word.len() > 3 && word.ends_with("ed") && !has(&NO_VERBS, word))
}

/// Whether this says what one is of another.
pub(super) fn noun(word: &str) -> bool {
    has(&NOUNS, word)
}

/// Whether a relation may end with this.
pub(super) fn preposition(word: &str) -> bool {
    has(&PREPOSITIONS, word)
}

/// Whether documents that are amended are called so.
pub(super) fn instrument(word: &str) -> bool {
    has(&INSTRUMENTS, word)
}

/// Whether this is a number in Roman digits.
pub(super) fn roman(word: &str) -> bool {
    (1..=8).contains(&word.len()) && word.bytes().all(|byte| b"IVXLCDM".contains(&byte))
}

fn has(list: &Words, word: &str) -> bool {
    list.contains(word)
}

fn words(list: &'static str) -> Words {
    list.split(' ').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_short_names() {
        assert_eq!(month("March"), Some(3));
        assert_eq!(month("Sept"), Some(9));
        assert_eq!(month("dec"), Some(12));
        assert_eq!(month("Marching"), None);
    }
}
