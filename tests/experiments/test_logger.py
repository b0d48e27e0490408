import logging

from muse.experiments.logger import logging_to


def test_records_go_to_the_file_and_from_info_on_to_the_terminal(tmp_path, capsys):
    logger = logging.getLogger("muse.somewhere")
    with logging_to(tmp_path / "log.txt"):
        logger.debug("quiet")
        logger.info("loud")
    logger.warning("after")
    text = (tmp_path / "log.txt").read_text()
    assert "quiet" in text and "loud" in text and "after" not in text
    shown = capsys.readouterr().err
    assert "loud\n" in shown and "quiet" not in shown


def test_the_log_is_appended_to(tmp_path):
    for word in ("one", "two"):
        with logging_to(tmp_path / "log.txt"):
            logging.getLogger("muse").info(word)
    assert (tmp_path / "log.txt").read_text().count("INFO") == 2


def test_nothing_stays_attached(tmp_path):
    before = list(logging.getLogger("muse").handlers)
    with logging_to(tmp_path / "log.txt", debug=True):
        pass
    assert logging.getLogger("muse").handlers == before
