"""Trains vocabularies: WordPiece and byte-level BPE with Hugging Face's tokenizers, Unigram with sentencepiece.

Usage: python vocabularies.py FOLDER
"""

import pathlib
import sys

import corpora
import sentencepiece
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers


def train_wordpiece(folder, lines, size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    tokenizer.model.save(str(folder), "wordpiece")


def train_byte_bpe(folder, lines, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.model.save(str(folder), "bpe")


def train_sentencepiece(folder, lines, size, rules=None):
    """What xlm-roberta and camembert have, albert, and deberta, whose special tokens are among the pieces."""
    text = folder / "training.txt"
    text.write_text("\n".join(lines), encoding="utf-8")
    normalization = {"normalization_rule_tsv": str(rules)} if rules else {"normalization_rule_name": "nmt_nfkc"}
    for name, options in {
            "unigram": {},
            "albert": dict(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, user_defined_symbols=["[CLS]", "[SEP]", "[MASK]"]),
            "deberta": dict(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]",
                            unk_piece="[UNK]")}.items():
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=str(folder / name), vocab_size=size, character_coverage=0.9995, num_threads=1,
            minloglevel=2, hard_vocab_limit=False, model_type="unigram", **options, **normalization)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    lines = corpora.training_lines()
    train_wordpiece(folder, lines, 20000)
    train_byte_bpe(folder, lines, 30000)
    train_sentencepiece(folder, lines, 12000)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
