runs vf
