"""`mapt report`: an archive on one page."""
