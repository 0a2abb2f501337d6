"""Folders with the tokenizers of every family: the files that transformers would load, and the reference tokenizer that it
makes of them.
"""

import json
import pathlib
import shutil

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FAIRSEQ = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def native(vocabularies, folder, tokenizer_class, files, **settings):
    """Files without tokenizer.json; the reference is what transformers converts them to."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in files.items():
        shutil.copy(vocabularies / source, folder / name)
    model_type = {"Bert": "bert", "Roberta": "roberta", "XLMRoberta": "xlm-roberta", "Camembert": "camembert", "Albert": "albert",
                  "DebertaV2": "deberta-v2", "MPNet": "mpnet"}[tokenizer_class.removesuffix("Tokenizer")]
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "vocab_size": 100000}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": tokenizer_class, **settings}))
    return AutoTokenizer.from_pretrained(folder)._tokenizer


def own(folder, tokenizer):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def wordpiece(vocabularies):
    return models.WordPiece.from_file(str(vocabularies / "wordpiece-vocab.txt"), unk_token="[UNK]")


def byte_bpe(vocabularies, **options):
    return models.BPE.from_file(str(vocabularies / "bpe-vocab.json"), str(vocabularies / "bpe-merges.txt"), **options)


def cased(vocabularies):
    tokenizer = Tokenizer(wordpiece(vocabularies))
    tokenizer.normalizer = normalizers.BertNormalizer(handle_chinese_chars=False, strip_accents=False, lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in BERT])
    tokenizer.add_tokens([AddedToken("<user>", lstrip=True, normalized=False), AddedToken("<tag>", rstrip=True),
                          AddedToken("whole", single_word=True), AddedToken("\u00dcnit", normalized=True)])
    return tokenizer


def modernbert(vocabularies):
    tokenizer = Tokenizer(byte_bpe(vocabularies))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in FAIRSEQ[:4]] +
                                 [AddedToken("<mask>", special=True, normalized=False, lstrip=True)])
    tokenizer.add_tokens([AddedToken(" " * size, normalized=True) for size in range(24, 1, -1)] +
                         [AddedToken("|||EMAIL_ADDRESS|||", normalized=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s>:0 $A:0 </s>:0", pair="<s>:0 $A:0 </s>:0 $B:0 </s>:0", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer


def prefixed(vocabularies):
    """Byte-level BPE with a blank put before every text, places trimmed."""
    tokenizer = modernbert(vocabularies)
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
    return tokenizer


def llama3(vocabularies):
    """The pattern that newer byte-level tokenizers split by."""
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
               r"\s*[\r\n]+|\s+(?!\S)|\s+")
    tokenizer = Tokenizer(byte_bpe(vocabularies, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 0)])])
    tokenizer.add_special_tokens(FAIRSEQ)
    return tokenizer


def sentencepiece_bpe(vocabularies):
    """Characters, with bytes for what is unknown, as in Llama 2."""
    reference = json.loads((vocabularies / "bpe-vocab.json").read_text(encoding="utf-8"))
    alphabet = sorted(token for token in reference if len(token) == 1 and ord(token) < 0x100)
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + ["\u2581"] + alphabet
    merges = []
    for first, second in (line.split(" ") for line in
                          (vocabularies / "bpe-merges.txt").read_text(encoding="utf-8").split("\n")[1:-1]):
        first, second = first.replace("\u0120", "\u2581"), second.replace("\u0120", "\u2581")
        merges.append((first, second))
    known = dict.fromkeys(tokens)
    kept = []
    for first, second in merges:
        if first in known and second in known:
            known.setdefault(first + second)
            kept.append((first, second))
    vocabulary = {token: at for at, token in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(vocabulary, kept, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def parts(vocabularies):
    """Components that no family above has."""
    tokenizer = Tokenizer(wordpiece(vocabularies))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip(), normalizers.NFD(), normalizers.StripAccents(),
        normalizers.Lowercase(), normalizers.Replace(Regex(r"\d{3,}"), "#"), normalizers.Replace("--", "-")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Punctuation("merged_with_previous"),
        pre_tokenizers.Split(Regex(r"[aeiou]\w"), "merged_with_next")])
    tokenizer.add_tokens([AddedToken("\u00dcber", normalized=True), AddedToken("<user>", lstrip=True, rstrip=True)])
    return tokenizer


def first(vocabularies, unigram):
    """Metaspace that puts a blank before the text's first word alone, and text that is not cut at blanks."""
    tokenizer = Tokenizer(unigram.model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), unigram.normalizer])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Metaspace(prepend_scheme="first", split=False)])
    tokenizer.add_special_tokens(FAIRSEQ)
    return tokenizer


def build(vocabularies, root):
    """By name: the folder, and the reference tokenizer."""
    made = {}

    def add(kind, name, make, *arguments, **options):
        made[name] = (kind, root / name, make(*arguments, **options))

    def add_own(kind, name, tokenizer):
        made[name] = (kind, root / name, own(root / name, tokenizer))

    add("wordpiece", "bert", native, vocabularies, root / "bert", "BertTokenizer", {"wordpiece-vocab.txt": "vocab.txt"})
    add_own("wordpiece", "cased", cased(vocabularies))
    add_own("wordpiece", "parts", parts(vocabularies))
    add("bpe", "roberta", native, vocabularies, root / "roberta", "RobertaTokenizer",
        {"bpe-vocab.json": "vocab.json", "bpe-merges.txt": "merges.txt"})
    add_own("bpe", "modernbert", modernbert(vocabularies))
    add_own("bpe", "prefixed", prefixed(vocabularies))
    add_own("bpe", "llama3", llama3(vocabularies))
    add_own("bpe", "sentencepiece_bpe", sentencepiece_bpe(vocabularies))
    for name, tokenizer_class, source, file in (
            ("xlm_roberta", "XLMRobertaTokenizer", "unigram.model", "sentencepiece.bpe.model"),
            ("camembert", "CamembertTokenizer", "unigram.model", "sentencepiece.bpe.model"),
            ("albert", "AlbertTokenizer", "albert.model", "spiece.model"),
            ("deberta", "DebertaV2Tokenizer", "deberta.model", "spm.model")):
        add("unigram", name, native, vocabularies, root / name, tokenizer_class, {source: file})
    for name in ("roberta", "xlm_roberta", "albert", "deberta"):
        made[name + "_json"] = (made[name][0], root / (name + "_json"), own(root / (name + "_json"), made[name][2]))
    add_own("unigram", "first", first(vocabularies, made["xlm_roberta"][2]))
    return made
