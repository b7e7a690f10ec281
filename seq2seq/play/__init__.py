"""`seq2seq play`: a local web page that shows how trained runs translate a sentence."""
